"""Order tickets: what a mind asks for while it reasons, and what the desk made of it afterwards.

`place_order` and `close_position` called while reasoning are answered with the desk's verdict and
recorded. They are sent when the reasoning has ended: exits first, since they free money and places,
then entries, each in the order of asking.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agent.evidence import Evidence
from tools.core.decisions import Action, Decision
from tools.core.errors import ActiveTraderError, OutcomeUnknown, Unavailable
from tools.core.safety import Denial, DenialReason
from tools.core.seams import ToolBox, ToolResult

Text = Annotated[str, Field(min_length=1, max_length=2000)]


class BadTicket(ActiveTraderError):
    """A ticket that cannot be read; the message tells the model how to repair it."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PreviewForm(_Form):
    """What `preview_order` is called with; `price` and `price_at` are what it rests on."""

    symbol: Annotated[str, Field(min_length=1, max_length=12)]
    confidence: Annotated[float, Field(ge=0, le=1)]
    quantity: Annotated[Decimal, Field(gt=0)] | None = None
    stop_price: Annotated[Decimal, Field(gt=0)] | None = None
    target_price: Annotated[Decimal, Field(gt=0)] | None = None
    price: Annotated[Decimal, Field(gt=0)] | None = None
    price_at: AwareDatetime | None = None


class EntryForm(PreviewForm):
    """What `place_order` is called with."""

    reason: Text


class ExitForm(_Form):
    """What `close_position` is called with."""

    symbol: Annotated[str, Field(min_length=1, max_length=12)]
    reason: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one ticket: the desk's ruling and, if it was sent, the broker's first word."""

    decision_id: str
    symbol: str
    approved: bool
    quantity: Decimal = Decimal(0)
    denials: tuple[Denial, ...] = ()
    client_order_id: str | None = None
    status: str | None = None
    filled_quantity: Decimal = Decimal(0)
    average_fill_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A recorded wish: what to send, and what the desk said of it while the mind still reasoned."""

    decision: Decision
    tool: str
    arguments: Mapping[str, Any]
    preview: Outcome


class TicketBook:
    """The tickets of one cycle."""

    def __init__(
        self,
        tools: ToolBox,
        cycle_id: str,
        prompt_hash: str = "",
        left_alone: Mapping[str, str] = MappingProxyType({}),
        evidence: Evidence | None = None,
    ) -> None:
        """`cycle_id` is `D-<session>-<cycle>`: decision ids hang on it, and on nothing else.

        `prompt_hash` goes with every order: the desk journals under which prompt it was wished.
        `left_alone` are the symbols that are not to be entered now, each with the reason; with
        `evidence` an entry must rest on a price that was read.
        """
        self._left_alone, self._evidence = left_alone, evidence
        self._tools, self._cycle_id, self._prompt_hash = tools, cycle_id, prompt_hash
        self._tickets: list[Ticket] = []
        self._holds: list[Decision] = []
        self.faults: list[ActiveTraderError] = []
        """Calls that failed while tickets were sent."""

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Everything wished for: tickets in the order of asking, then holds."""
        return (*(ticket.decision for ticket in self._tickets), *self._holds)

    async def enter(self, arguments: Mapping[str, Any]) -> str:
        """Record an entry with the desk's verdict, and answer with its words.

        One that does not rest on what was read is denied here.

        Raises BadTicket, or what the desk's server raises.
        """
        form = _read(EntryForm, arguments)
        self._refuse_second(form.symbol)
        if why := self._left_alone.get(form.symbol):
            raise BadTicket(f"{form.symbol} is left alone: {why}")
        asked = _as_json(form)
        decision = Decision(
            decision_id=self._next_id(),
            action=Action.BUY,
            rests_on=self._rests_on(form.symbol),
            **form.model_dump(),
        )
        if why := self._objection(form):
            return self._record(decision, "place_order", asked, _uncited(form.symbol, why))
        preview = {key: value for key, value in asked.items() if key != "reason"}
        # From here on the desk counts the decision's age.
        counted = {"earlier": self._earlier(), "decision_id": decision.decision_id}
        result = await self._tools.call("preview_order", {**preview, **counted})
        if result.is_error:
            raise BadTicket(result.text)
        return self._record(decision, "place_order", asked, result.data)

    async def preview(self, arguments: Mapping[str, Any]) -> ToolResult:
        """The desk's view of an entry that is not recorded. Raises as `enter` does."""
        if why := self._objection(_read(PreviewForm, arguments)):
            raise BadTicket(why)
        return await self._tools.call("preview_order", arguments)

    async def leave(self, arguments: Mapping[str, Any]) -> str:
        """Record the exit from a position that is held. Raises as `enter` does."""
        form = _read(ExitForm, arguments)
        self._refuse_second(form.symbol)
        held = (await self._tools.call("get_positions", {})).data.get("positions", ())
        quantities = [one["quantity"] for one in held if one["symbol"] == form.symbol]
        if not quantities:
            raise BadTicket(f"there is no position in {form.symbol}")
        decision = Decision(
            decision_id=self._next_id(),
            action=Action.SELL,
            confidence=None,
            rests_on=self._rests_on(form.symbol),
            **form.model_dump(),
        )
        verdict = {"approved": True, "symbol": form.symbol, "quantity": quantities[0]}
        return self._record(decision, "close_position", _as_json(form), verdict)

    def hold(self, symbol: str, reason: str) -> None:
        """Record the wish to leave a symbol as it is."""
        self._holds.append(
            Decision(
                decision_id=self._next_id(),
                symbol=symbol,
                action=Action.HOLD,
                confidence=None,
                reason=reason,
                rests_on=self._rests_on(symbol),
            )
        )

    async def send(self, *, entries_refused: Denial | None) -> tuple[Outcome, ...]:
        """Send what the desk approved, exits first; each ticket once, whatever happens to it.

        `entries_refused` keeps entries back. What was denied while reasoning stays denied.
        """
        exits = [one for one in self._tickets if one.decision.action is Action.SELL]
        entries = [one for one in self._tickets if one.decision.action is Action.BUY]
        outcomes = [await self._send(ticket) for ticket in exits]
        for ticket in entries:
            if ticket.preview.approved and entries_refused:
                outcomes.append(_denied(ticket.decision, entries_refused))
            else:
                outcomes.append(await self._send(ticket))
        return tuple(outcomes)

    async def _send(self, ticket: Ticket) -> Outcome:
        decision = ticket.decision
        if not ticket.preview.approved:
            return ticket.preview
        arguments = {**ticket.arguments, "decision_id": decision.decision_id}
        if self._prompt_hash:
            arguments["prompt_hash"] = self._prompt_hash
        try:
            result = await self._tools.call(ticket.tool, arguments)
        except Unavailable as error:
            self.faults.append(error)
            return _denied(decision, Denial(reason=DenialReason.BROKER, message=str(error)))
        except OutcomeUnknown as error:
            self.faults.append(error)
            unknown = Denial(reason=DenialReason.UNKNOWN_OUTCOME, message=str(error))
            return _denied(decision, unknown)
        if result.is_error:
            return _denied(decision, Denial(reason=DenialReason.BROKER, message=result.text))
        return _outcome(decision, result.data)

    def _record(
        self,
        decision: Decision,
        tool: str,
        arguments: Mapping[str, Any],
        verdict: Mapping[str, Any],
    ) -> str:
        preview = _outcome(decision, verdict)
        self._tickets.append(
            Ticket(decision=decision, tool=tool, arguments=dict(arguments), preview=preview)
        )
        state = (
            "recorded, not yet sent: it is sent when your reasoning ends"
            if preview.approved
            else "denied: it will not be sent; adjust it or let it go"
        )
        return json.dumps({**verdict, "state": state}, separators=(",", ":"))

    def _refuse_second(self, symbol: str) -> None:
        if any(one.preview.approved and one.decision.symbol == symbol for one in self._tickets):
            raise BadTicket(f"a ticket for {symbol} is already recorded in this cycle")

    def _earlier(self) -> Sequence[Mapping[str, Any]]:
        """The approved entries so far, as the desk should count them."""
        return [
            {"symbol": one.decision.symbol, "quantity": _number(one.preview.quantity)}
            for one in self._tickets
            if one.preview.approved and one.decision.action is Action.BUY
        ]

    def _objection(self, form: PreviewForm) -> str:
        """What is wrong with the price that an entry rests on, "" if nothing is."""
        if self._evidence is None:
            return ""
        return self._evidence.objection(form.symbol, form.price, form.price_at)

    def _rests_on(self, symbol: str) -> tuple[str, ...]:
        return self._evidence.of(symbol) if self._evidence else ()

    def _next_id(self) -> str:
        return f"{self._cycle_id}-{len(self.decisions) + 1}"


def _read[Form: _Form](form: type[Form], arguments: Mapping[str, Any]) -> Form:
    try:
        return form.model_validate(arguments)
    except ValidationError as error:
        faults = (
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        raise BadTicket("; ".join(faults)) from None


def _as_json(form: _Form) -> dict[str, Any]:
    """The form's fields that were given, as the JSON values a strict server takes."""
    return {key: _plain(value) for key, value in form.model_dump(exclude_none=True).items()}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return _number(value) if isinstance(value, Decimal) else value


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _uncited(symbol: str, why: str) -> Mapping[str, Any]:
    """The agent's own verdict, in the words of a desk's."""
    denial = {"reason": DenialReason.CITATION, "message": why}
    return {"approved": False, "symbol": symbol, "quantity": 0, "denials": [denial]}


def _denied(decision: Decision, denial: Denial) -> Outcome:
    return Outcome(
        decision_id=decision.decision_id,
        symbol=decision.symbol,
        approved=False,
        denials=(denial,),
    )


def _outcome(decision: Decision, answer: Mapping[str, Any]) -> Outcome:
    """The answer of `preview_order`, `place_order` or `close_position` as a value."""
    price = answer.get("average_fill_price")
    return Outcome(
        decision_id=decision.decision_id,
        symbol=decision.symbol,
        approved=answer["approved"],
        quantity=_decimal(answer["quantity"]),
        denials=tuple(
            Denial(reason=DenialReason(one["reason"]), message=one["message"])
            for one in answer.get("denials", ())
        ),
        client_order_id=answer.get("client_order_id") or None,
        status=answer.get("status"),
        filled_quantity=_decimal(answer.get("filled_quantity") or 0),
        average_fill_price=None if price is None else _decimal(price),
    )


def _decimal(number: float) -> Decimal:
    """A JSON number as the decimal that was written."""
    return Decimal(str(number))
