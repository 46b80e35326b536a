"""`python -m agent.replay < LINES`: lives a recorded day again, answered from its record.

Cycle, agent and tickets are the real ones. The first difference ends the replay. It needs no
server, no network and no time; what came of it is printed as one JSON object. 0 when the day went
as it had gone, else 1.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from agent.base_agent.base_agent import agent_type
from agent.base_agent.tickets import Outcome
from agent.cooldowns import Cooldowns
from agent.cycle import Cycle, CycleReport
from agent.diary import decision_record
from agent.faults import TimeoutInSimulation
from agent.recorder import denials_content
from agent.replay.script import Differs, Entry, Scene, Script, scenes
from agent.replay.stand_ins import ScriptedClock, ScriptedModel, ScriptedTools
from tools.core.safety import Denial, DenialReason
from tools.core.session import Session

OWN_FACTS = ("data_server", "stale_data", "model", "model_failures", "failed_cycles")
"""What of the ladder's facts the cycles find out by themselves; the rest is told from outside."""


async def replay(record: Iterable[Entry]) -> dict[str, Any]:
    """Live the day again, up to the first difference."""
    script, theater = Script(), Theater()
    try:
        for scene in scenes(record):
            await theater.play(scene, script)
    except Differs:
        pass
    found = script.difference
    return {
        "cycles": theater.cycles,
        "unfinished": theater.unfinished,
        "model_calls": script.model_calls,
        "tool_calls": script.tool_calls,
        "decisions": theater.decisions,
        "orders": theater.orders,
        "identical": found is None,
        "difference": asdict(found) if found else None,
    }


class Theater:
    """Plays cycle after cycle by the real code, and counts."""

    def __init__(self) -> None:
        self.cycles = self.unfinished = self.decisions = self.orders = 0
        self._mind: Entry | None = None
        self._cycle: Cycle
        self._before: CycleReport | None = None

    async def play(self, scene: Scene, script: Script) -> None:
        """One cycle. Raises Differs."""
        if self._mind is not scene.mind:
            self._mind, self._before = scene.mind, None
            self._cycle = _cycle(scene.mind, script)
        script.begin(scene)
        self._compare_beginning(scene, script)
        self._cycle.recall(scene.beginning["memory"])
        report = await self._run(scene)
        script.finish(report.error if report else None)
        self._before = report if scene.ending else None
        if scene.ending is None or report is None:
            self.unfinished += 1
            return
        came = json.loads(json.dumps(decision_record(report), default=_plain))
        script.compare("outcome", scene.ending["decision"], came)
        self.cycles += 1
        self.decisions += len(report.decisions)
        self.orders += sum(bool(one.client_order_id) for one in report.outcomes)

    def _compare_beginning(self, scene: Scene, script: Script) -> None:
        """What this cycle was given must be what the one before leaves behind."""
        if self._before is None:
            return
        told, known = scene.beginning, self._cycle.memory()
        refused = [one for one in self._before.outcomes if one.denials]
        script.compare("memory", _own(told["memory"]), _own(known))
        script.compare("refusals", told["denials"], denials_content(refused))

    async def _run(self, scene: Scene) -> CycleReport | None:
        told = scene.beginning
        session, denials = _session(told["session"]), [_outcome(one) for one in told["denials"]]
        try:
            return await self._cycle.run(told["number"], session, scene.prompt, denials)
        except TimeoutInSimulation:
            return None


def _cycle(mind: Entry, script: Script) -> Cycle:
    """The mind as it was configured."""
    script.specs = ()
    return Cycle(
        clock=ScriptedClock(script),
        tools=ScriptedTools(script),
        agent=agent_type(mind["agent_type"])(
            ScriptedModel(script, mind),
            max_steps=mind["max_steps"],
            call_deadline_seconds=mind["call_deadline_seconds"],
        ),
        watchlist=mind["watchlist"],
        deadline_seconds=mind["cycle_deadline_seconds"],
        simulated_time=mind["simulated_time"],
        cited_seconds=mind["cited_price_seconds"],
        cooldowns=Cooldowns(
            failures=mind["symbol_failures"],
            failure_minutes=mind["symbol_pause_minutes"],
            refusal_minutes=mind["refusal_pause_minutes"],
        ),
    )


def _own(memory: Entry) -> dict[str, Any]:
    ladder = memory["ladder"]
    own = {name: ladder[name] for name in OWN_FACTS}
    return json.loads(json.dumps({"ladder": own, "cooldowns": memory["cooldowns"]}))  # type: ignore[no-any-return]


def _session(told: Entry) -> Session:
    instants = {name: datetime.fromisoformat(at) for name, at in told.items() if name != "on"}
    return Session(on=date.fromisoformat(told["on"]), **instants)


def _outcome(told: Entry) -> Outcome:
    return Outcome(
        decision_id=told["decision_id"],
        symbol=told["symbol"],
        approved=False,
        denials=tuple(
            Denial(reason=DenialReason(reason), message=message)
            for reason, message in told["denials"]
        ),
    )


def _plain(value: object) -> object:
    """As the record writes it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def main() -> int:
    """The record is read from standard input, one JSON object a line."""
    logging.disable(logging.CRITICAL)
    report = asyncio.run(replay(map(json.loads, sys.stdin)))
    sys.stdout.write(json.dumps(report) + "\n")
    return 0 if report["identical"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
