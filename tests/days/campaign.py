"""Simulated days with random faults: flat by the close, or certified that it was not, and why.

    python -m tests.days.campaign --days 2000 --seed 1 [--without LAYER] [--sabotage]

Each day the real desk, monitor and flatten live over `SimBroker` and simulated time while up to
four faults of the fault matrix strike at random times (tests/days/plan.py). The oracle calls a day
sellable when after the flatten time some enabled layer was alive for 60 seconds in a row, its
requests would have been answered, no cancel was stuck and everything held traded; such a day must
end flat. `--without` leaves a layer out (trader, monitor or unit). `--sabotage` kills the trader
and silences both others behind the oracle's back: that run must fail.
"""

import argparse
import gc
import logging
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from tests.days.layers import LAYERS, Layers
from tests.days.oracle import Verdict, judge
from tests.days.plan import draw
from tests.days.world import Day
from tests.tapes import MONDAY, hours

MEMORY = Path("/dev/shm")  # the state file syncs to the disk, which is not what is tested here


def main(arguments: Sequence[str]) -> int:
    """0 when every day went as it must, 1 otherwise."""
    asked = _parser().parse_args(arguments)
    layers = Layers(sabotaged=asked.sabotage).without(*asked.without)
    verdicts = []
    for number, verdict in enumerate(_run(asked, layers), start=1):
        verdicts.append(verdict)
        if verdict.failed:
            print(f"day {verdict.seed}: {_told(verdict)}", flush=True)
        if number % 250 == 0:
            print(f"{number} days", file=sys.stderr, flush=True)
    sellable = [one for one in verdicts if one.sellable]
    flat = sum(one.flat for one in sellable)
    wrong = sum(bool(one.wrong_certificates) for one in verdicts)
    others = [one for one in verdicts if not one.sellable]
    print(f"seed {asked.seed}; left out: {', '.join(asked.without) or 'no layer'}")
    print(f"of {len(others)} other days {sum(one.flat for one in others)} were flat all the same")
    print(
        f"{len(verdicts)} days, {len(sellable)} sellable, {flat} flat, {wrong} wrong certificates"
    )
    return int(any(one.failed for one in verdicts))


def live(seed: int, layers: Layers) -> Verdict:
    """One day, from its seed to its verdict."""
    logging.disable(logging.CRITICAL)
    session = hours().session_on(MONDAY)
    assert session is not None
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as home:
        day = Day(draw(seed, session), session, Path(home), layers)
        day.live()
        day.wake_next_morning()
        return judge(day)


def _run(asked: argparse.Namespace, layers: Layers) -> Iterator[Verdict]:
    seeds = range(asked.seed, asked.seed + asked.days)
    if asked.processes == 1:
        yield from map(partial(live, layers=layers), seeds)
        return
    # Frozen: what the parent has loaded is no business of the children's garbage collection.
    with multiprocessing.get_context("fork").Pool(asked.processes, gc.freeze) as pool:
        yield from pool.imap(partial(live, layers=layers), seeds, chunksize=4)


def _told(verdict: Verdict) -> str:
    late = [f"held {', '.join(verdict.held)}"] if verdict.sellable and not verdict.flat else []
    return "; ".join((*late, *verdict.wrong_certificates, *verdict.faults))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.days.campaign",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", action="append", default=[], choices=LAYERS)
    parser.add_argument("--sabotage", action="store_true")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
