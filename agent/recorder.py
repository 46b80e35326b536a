"""Writes down everything that the mind is told and says, so that its day can be replayed.

Model, tools and clock are wrapped where the mind holds them; nothing is interpreted here. A request
is written as what differs from the one before: they begin alike. What cannot be written costs no
trade: the rest of that cycle is left out, and the next begins a new page.
"""

import contextlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

from agent.base_agent.tickets import Outcome
from agent.cycle import Cycle, CycleReport
from agent.diary import decision_record
from agent.faults import timed_out
from agent.language_models import Endpoint, OpenAICompatibleModel
from agent.options import AgentOptions
from tools.core.errors import (
    ActiveTraderError,
    BudgetExhausted,
    MarketDataUnavailable,
    ModelMisconfigured,
    ModelOutOfCredit,
    ModelUnavailable,
    OutcomeUnknown,
    Unavailable,
)
from tools.core.seams import Clock, ModelTurn, ToolBox, ToolResult
from tools.core.session import Session
from tools.prompts.text import Prompt
from tools.schedule.market_hours import new_york

logger = logging.getLogger(__name__)

ERRORS: Mapping[str, type[ActiveTraderError]] = {
    kind.__name__: kind
    for kind in (
        *(BudgetExhausted, ModelMisconfigured, ModelOutOfCredit, ModelUnavailable),
        *(MarketDataUnavailable, Unavailable, OutcomeUnknown),
    )
}
"""What a model or a tool may raise; anything more special is written down as one of these."""
CUT_OFF = {"kind": "CutOff"}
"""Instead of an error: the call was ended from outside, by a deadline or by the program's end."""


class Page(Protocol):
    """A file of lines; `tools.journal.day_record` has one."""

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add one line. Raises OSError."""
        ...

    def rest(self) -> None:
        """A cycle is over. Raises OSError."""
        ...

    def close(self) -> None:
        """No more will come."""
        ...


class Recorder:
    """The day's page, a new one for each New York date."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        mind: Mapping[str, Any],
        open_page: Callable[[Path], Page],
    ) -> None:
        """`folder` is the agent's; `mind` is what of the configuration its decisions rest on."""
        self._folder, self._clock, self._mind, self._open = folder, clock, mind, open_page
        self._page: Page | None = None
        self._on: date | None = None
        self._failed = False
        self._told: dict[str, object] = {}
        self._request = ""

    def note(self, what: str, **content: object) -> None:
        """One line, now."""
        if page := self._today():
            with self._disk_trouble():
                page.append({"what": what, **content})

    def note_if_new(self, what: str, key: object, **content: object) -> None:
        """One line, unless the page's last one of this sort had the same `key`."""
        if self._today() and self._told.get(what) != key:
            self._told[what] = key
            self.note(what, **content)

    def request(self, body: str) -> None:
        """A request to the model: what follows after the beginning that it shares."""
        if self._today():
            shared = _shared(self._request, body)
            self._request = body
            self.note("request", keep=shared, rest=body[shared:])

    def begin(self, prompt: Prompt, **content: object) -> None:
        """A cycle begins."""
        self._failed = False
        self.note_if_new(
            "prompt", prompt.hash, hash=prompt.hash, system=prompt.system, cycle=prompt.cycle
        )
        self.note("cycle", prompt=prompt.hash, **content)

    def end(self, report: CycleReport) -> None:
        """It is over, and left this behind."""
        self.note("end", decision=decision_record(report))
        with self._disk_trouble():
            if self._page:
                self._page.rest()

    def close(self) -> None:
        """Leave the page as it is."""
        page, self._page = self._page, None
        if page:
            page.close()

    def _today(self) -> Page | None:
        """The page to write on, None while there is none to be had."""
        on = new_york(self._clock.now()).date()
        if not self._failed and (self._page is None or self._on != on):
            self.close()
            self._on, self._told, self._request = on, {}, ""
            with self._disk_trouble():
                self._page = self._open(self._folder / "log" / str(on) / "record.jsonl.gz")
                self._page.append({"what": "mind", **self._mind})
        return self._page

    @contextlib.contextmanager
    def _disk_trouble(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            logger.error("not recorded until the next cycle: %s", error)
            self._failed = True
            self.close()


class RecordedClock:
    """The clock, and each of its readings written down."""

    def __init__(self, clock: Clock, recorder: Recorder) -> None:
        self._clock, self._recorder = clock, recorder

    def now(self) -> datetime:
        now = self._clock.now()
        self._recorder.note("now", at=now.isoformat())
        return now

    async def sleep_until(self, when: datetime) -> None:
        await self._clock.sleep_until(when)

    def busy(self, name: str, rank: int = 50) -> AbstractAsyncContextManager[None]:
        return self._clock.busy(name, rank)

    async def rouse(self, name: str) -> None:
        await self._clock.rouse(name)


class Servers(ToolBox, Protocol):
    """The tools as the trading day needs them."""

    epoch: int

    async def connect(self) -> int:
        """The number of tools. Raises Unavailable."""
        ...


class RecordedTools:
    """The tools; each call is written down before it is made, and its answer after."""

    def __init__(self, tools: Servers, recorder: Recorder) -> None:
        self._tools, self._recorder = tools, recorder

    @property
    def epoch(self) -> int:
        """Of our lease."""
        return self._tools.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._tools.epoch = epoch

    async def connect(self) -> int:
        """The number of tools. Raises Unavailable."""
        return await self._tools.connect()

    def specs(self) -> Sequence[Mapping[str, Any]]:
        specs = self._tools.specs()
        self._recorder.note_if_new("specs", specs, specs=specs)
        return specs

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        self._recorder.note("call", name=name, arguments=arguments)
        answer: Mapping[str, Any] = {"error": CUT_OFF}
        try:
            result = await self._tools.call(name, arguments)
            answer = result_content(result)
        except (Unavailable, OutcomeUnknown) as error:
            answer = {"error": error_content(error)}
            raise
        finally:
            self._recorder.note("result", **answer)
        return result


class RecordedModel:
    """The model; its requests and answers are written down as they are on the wire."""

    def __init__(self, model: OpenAICompatibleModel, recorder: Recorder) -> None:
        self._model, self._recorder = model, recorder
        model.on_request = recorder.request
        model.on_answer = lambda body: recorder.note("answer", body=body)
        model.on_refusal = lambda said: recorder.note("refusal", said=said)

    async def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        *,
        deadline_seconds: float,
        may_call: bool = True,
    ) -> ModelTurn:
        """As the model's own."""
        ending: Mapping[str, Any] = {"error": CUT_OFF}
        try:
            turn = await self._model.complete(
                messages, tools, deadline_seconds=deadline_seconds, may_call=may_call
            )
            ending = {"cost": str(turn.cost_usd)}
        except ModelUnavailable as error:
            ending = {"error": error_content(error)}
            raise
        finally:
            self._recorder.note("turn", **ending)
        return turn


class RecordedCycle(Cycle):
    """A cycle; what it starts from and what it leaves behind are written down."""

    recorder: Recorder

    async def run(
        self, number: int, session: Session, prompt: Prompt, last_denials: Sequence[Outcome]
    ) -> CycleReport:
        """As the cycle's own."""
        self.recorder.begin(
            prompt,
            number=number,
            session=session_content(session),
            denials=denials_content(last_denials),
            memory=self.memory(),
        )
        report = await super().run(number, session, prompt, last_denials)
        self.recorder.end(report)
        return report


def mind_content(options: AgentOptions, endpoint: Endpoint) -> dict[str, Any]:
    """What of the configuration a mind's decisions rest on; no address and no key."""
    tuning = options.tuning
    return {
        "version": 1,
        "mode": options.mode,
        "signature": options.signature,
        "agent_type": options.agent_type,
        "model": endpoint.model,
        "thinking": endpoint.thinking,
        "strict_tools": endpoint.strict_tools,
        "max_output_tokens": endpoint.max_output_tokens,
        "max_steps": tuning.max_steps,
        "call_deadline_seconds": tuning.call_deadline_seconds,
        "cycle_deadline_seconds": tuning.cycle_deadline_seconds,
        "symbol_failures": tuning.symbol_failures,
        "symbol_pause_minutes": tuning.symbol_pause_minutes,
        "refusal_pause_minutes": tuning.refusal_pause_minutes,
        "cited_price_seconds": tuning.cited_price_seconds,
        "simulated_time": options.simulated_time,
        "watchlist": list(options.watchlist),
    }


def session_content(session: Session) -> dict[str, str]:
    """A session for a line."""
    return {name: value.isoformat() for name, value in asdict(session).items()}


def denials_content(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """What a next cycle is told of the refusals of the one before."""
    return [
        {
            "decision_id": one.decision_id,
            "symbol": one.symbol,
            "denials": [[denial.reason, denial.message] for denial in one.denials],
        }
        for one in outcomes
    ]


def result_content(result: ToolResult) -> dict[str, Any]:
    """A tool's answer for a line; its data only where they are not the text's own."""
    content: dict[str, Any] = {"text": result.text}
    if result.is_error:
        content["is_error"] = True
    if result.data:
        same = json.dumps(result.data, separators=(",", ":")) == result.text
        content["data"] = True if same else result.data
    return content


def error_content(error: ActiveTraderError) -> dict[str, Any]:
    """An error for a line."""
    kind = next(one.__name__ for one in type(error).__mro__ if ERRORS.get(one.__name__) is one)
    content: dict[str, Any] = {"kind": kind, "said": str(error)}
    if timed_out(error):
        content["timed_out"] = True
    if isinstance(error, BudgetExhausted):
        content["whole_day"] = error.whole_day
    return content


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
