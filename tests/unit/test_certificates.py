"""What a certificate may say, and what settles a session."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import a_session, a_time
from tests.trading import Bench, Hands, a_bench
from tools.core.reports import FlatRead, FlattenReport
from tools.core.seams import Broker
from tools.execution.certificates import (
    Certificate,
    Certifier,
    Occasion,
    acknowledge,
    certificates_path,
    read_standing,
)

DAY = date(2013, 10, 7)
TEN = (("SPY", Decimal(10)),)


def a_read(seconds: float = 0, *, held: tuple[tuple[str, Decimal], ...] = ()) -> FlatRead:
    at = a_time("15:56") + timedelta(seconds=seconds)
    return FlatRead(at=at, held=held, open_orders=())


def a_report(*reads: FlatRead, errors: tuple[str, ...] = ()) -> FlattenReport:
    return FlattenReport(
        session_on=DAY,
        started_at=a_time("15:55"),
        ended_at=a_time("15:56"),
        flat=True,
        closed_symbols=(),
        remaining_symbols=(),
        errors=errors,
        caller="agent",
        reads=reads,
    )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return a_bench(tmp_path, Hands("15:56"))


def certified(bench: Bench, report: FlattenReport) -> Certificate:
    certifier = Certifier(
        broker=cast("Broker", bench.broker),
        path=certificates_path(bench.home),
        now=bench.hands.read,
    )
    return certifier.certify_flatten(report, a_session(), bench.hands.wait)


def test_a_flattens_own_two_reads_are_taken(bench: Bench) -> None:
    assert certified(bench, a_report(a_read(0), a_read(2))).flat
    assert bench.broker.sent("positions") == [None]  # what is left alone


@pytest.mark.parametrize("reads", [(), (a_read(0),), (a_read(0), a_read(1.9))])
def test_reads_that_are_missing_or_too_close_are_made_again(
    bench: Bench, reads: tuple[FlatRead, ...]
) -> None:
    bench.buy("SPY")
    found = certified(bench, a_report(*reads))
    assert not found.flat
    assert found.why_not[0] == "10 SPY held"


def test_a_report_that_calls_itself_flat_is_not_believed(bench: Bench) -> None:
    report = a_report(a_read(0), a_read(2, held=TEN), errors=("close SPY error: halted",))
    found = certified(bench, report)
    assert (found.flat, found.why_not) == (False, ("10 SPY held", "close SPY error: halted"))


def test_two_reads_that_disagree_are_not_flat(bench: Bench) -> None:
    found = certified(bench, a_report(a_read(0, held=TEN), a_read(2)))
    assert (found.flat, found.why_not[0]) == (False, "two reads disagree")


@settings(max_examples=30, deadline=None)
@given(
    first=st.booleans(), second=st.booleans(), apart=st.floats(0, 10), answered=st.integers(0, 2)
)
def test_flat_is_said_only_of_two_empty_reads_two_seconds_apart(
    tmp_path_factory: pytest.TempPathFactory,
    first: bool,
    second: bool,
    apart: float,
    answered: int,
) -> None:
    bench = a_bench(tmp_path_factory.mktemp("home"), Hands("15:56"))
    bench.broker.faults["positions"] = ["away"] * 9
    reads = [a_read(0, held=() if first else TEN), a_read(apart, held=() if second else TEN)]
    found = certified(bench, a_report(*reads[:answered]))
    close = timedelta(seconds=apart) < timedelta(seconds=2)
    assert found.flat is (first and second and not close and answered == 2)
    assert bool(found.why_not) is not found.flat
    bench.room.premises.store.close()


def test_an_acknowledgement_covers_what_was_written_before_it(bench: Bench) -> None:
    path = certificates_path(bench.home)
    bench.buy("SPY")
    certified(bench, a_report())
    assert read_standing(path).unsettled(date.max) == [DAY]
    acknowledge(path, DAY, by="operator", reason="seen", now=bench.hands.read())
    assert read_standing(path).unsettled(date.max) == []
    certified(bench, a_report())
    assert read_standing(path).unsettled(date.max) == [DAY]


def test_a_flat_line_behind_one_that_is_not_settles_the_session(bench: Bench) -> None:
    bench.buy("SPY")
    certified(bench, a_report())
    certified(bench, a_report(a_read(0), a_read(2)))
    standing = read_standing(certificates_path(bench.home))
    assert standing.settled(DAY)
    assert standing.last[DAY]["occasion"] == Occasion.FLATTEN
