"""The embedded model: rules that read only what they are sent."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from embedded.model.conversation import BadRequest, read
from embedded.model.rules import next_turn

DATA = ("get_quotes", "get_levels", "get_multi_timeframe_analysis")
TRADE = ("get_orders", "preview_order", "place_order", "close_position", "tighten_stop")
APPROVED = {"approved": True, "denials": []}

type Tool = Callable[[dict[str, Any]], object]


def denied(reason: str) -> dict[str, Any]:
    return {"approved": False, "denials": [{"reason": reason, "message": "the rule's numbers"}]}


def signal(symbol: str, strength: float, *, coverage: float = 1.0) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "strength": strength,
        "coverage": coverage,
        "price": 100.0,
        "atr": 0.5,
        "evidence": ["above VWAP"],
    }


def holding(
    symbol: str, *, entry: float = 100.0, price: float = 100.0, stop: float | None = 99.0
) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "quantity": 10,
        "average_entry_price": entry,
        "current_price": price,
        "stop_price": stop,
    }


def snapshot(
    *signals: dict[str, Any],
    positions: Iterable[dict[str, Any]] = (),
    entries_open: bool = True,
    round_trips: int = 0,
    **risk: object,
) -> dict[str, Any]:
    limits = {"trading_state": "ACTIVE", "max_positions": 5, "min_confidence": 0.6}
    return {
        "session": {"entries_open": entries_open},
        "risk": {**limits, "entries_today": 0, "allowed_symbols": None, **risk},
        "positions": list(positions),
        "open_orders": [],
        "signals": list(signals),
        "round_trips_today": round_trips,
    }


class Desk:
    """Answers the model's calls as the servers would, and remembers them."""

    def __init__(self, offered: Iterable[str] = (*DATA, *TRADE), **tools: Tool) -> None:
        self.offered = list(offered)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.turns = 0
        self._tools: dict[str, Tool] = {
            "get_quotes": lambda given: {
                "quotes": [
                    {"symbol": symbol, "ask": 100.01, "spread_fraction": 0.0001}
                    for symbol in given["symbols"]
                ]
            },
            "get_levels": lambda _: {"resistance": []},
            "get_multi_timeframe_analysis": lambda _: {},
            "get_orders": lambda _: {"open_orders": [], "round_trips": []},
            "preview_order": lambda _: APPROVED,
            "place_order": lambda _: APPROVED,
            "close_position": lambda _: APPROVED,
            "tighten_stop": lambda _: {},
            **tools,
        }

    def ask(self, sight: Mapping[str, Any], prompt: str = "Trade.") -> str:
        """Run one cycle to its end and return the concluding text."""
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": prompt},
            {"role": "user", "content": f"Go.\n<snapshot>{json.dumps(sight)}</snapshot>"},
        ]
        while True:
            turn = next_turn(read({"messages": messages, "tools": self._specs()}))
            if not turn.calls:
                return turn.text
            self.turns += 1
            assert self.turns < 10, "the model does not come to an end"
            asked = [(f"c{self.turns}-{n}", call) for n, call in enumerate(turn.calls)]
            messages.append(
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {
                            "id": name,
                            "function": {
                                "name": call.name,
                                "arguments": json.dumps(call.arguments),
                            },
                        }
                        for name, call in asked
                    ],
                }
            )
            for name, call in asked:
                given = dict(call.arguments)
                self.calls.append((call.name, given))
                answer = self._tools[call.name](given)
                content = answer if isinstance(answer, str) else json.dumps(answer)
                messages.append({"role": "tool", "tool_call_id": name, "content": content})

    def made(self, name: str) -> list[dict[str, Any]]:
        return [given for called, given in self.calls if called == name]

    def _specs(self) -> list[dict[str, Any]]:
        return [{"type": "function", "function": {"name": name}} for name in self.offered]


def test_a_strong_signal_is_looked_at_then_previewed_then_ordered_without_a_size() -> None:
    desk = Desk()
    text = desk.ask(snapshot(signal("SPY", 0.7), signal("IBM", 0.1)))
    assert [name for name, _ in desk.calls] == [*DATA, "preview_order", "place_order"]
    assert desk.turns == 3
    (order,) = desk.made("place_order")
    assert order == {
        "symbol": "SPY",
        "confidence": 0.85,
        "target_price": 102.01,
        "reason": "strength +0.70: above VWAP",
    }
    assert text.splitlines() == [
        "HOLD IBM: strength +0.10 is below 0.35",
        "Entered SPY, left nothing, kept nothing.",
    ]


def test_a_quiet_market_is_concluded_in_one_turn() -> None:
    desk = Desk()
    assert "Entered nothing" in desk.ask(snapshot(signal("SPY", 0.2), signal("IBM", -0.9)))
    assert desk.calls == []


def test_a_line_of_the_prompt_moves_the_bar() -> None:
    sight = snapshot(signal("SPY", 0.7))
    assert Desk().ask(sight, "Be picky.\n- ENTRY_STRENGTH: 0.8 (of 1)") == (
        "HOLD SPY: strength +0.70 is below 0.80\nEntered nothing, left nothing, kept nothing."
    )
    assert "Entered SPY" in Desk().ask(sight, "ENTRY_STRENGTH = 0.5")


@pytest.mark.parametrize(
    ("sight", "why"),
    [
        (snapshot(signal("SPY", 0.9, coverage=0.4)), "strength +0.00 is below 0.35"),
        (snapshot(signal("SPY", 0.4), min_confidence=0.75), "confidence 0.70 is below 0.75"),
        (snapshot(signal("SPY", 0.9), entries_open=False), "entries are closed"),
        (snapshot(signal("SPY", 0.9), trading_state="REDUCING"), "entries are closed"),
        (snapshot(signal("SPY", 0.9), allowed_symbols=["IBM"]), "not among the allowed symbols"),
        (snapshot(signal("SPY", 0.5), entries_today=6), "strength +0.50 is below 0.59"),
        (snapshot(signal("SPY", 0.9), max_positions=0), "no room for another position"),
        (
            snapshot(signal("SPY", 0.9)) | {"open_orders": [{"symbol": "SPY"}]},
            "an order is under way",
        ),
    ],
)
def test_what_the_snapshot_speaks_against_is_not_even_asked_for(
    sight: dict[str, Any], why: str
) -> None:
    desk = Desk()
    assert f"HOLD SPY: {why}" in desk.ask(sight)
    assert desk.calls == []


def test_a_symbol_that_was_traded_today_needs_a_stronger_signal() -> None:
    traded: Tool = lambda _: {"round_trips": [{"symbol": "SPY"}]}  # noqa: E731
    weak, strong = Desk(get_orders=traded), Desk(get_orders=traded)
    assert "a round trip today" in weak.ask(snapshot(signal("SPY", 0.5), round_trips=1))
    assert weak.made("preview_order") == []
    assert "Entered SPY" in strong.ask(snapshot(signal("SPY", 0.65), round_trips=1))


def test_a_wide_spread_keeps_it_out() -> None:
    wide: Tool = lambda _: {"quotes": [{"symbol": "SPY", "spread_fraction": 0.01}]}  # noqa: E731
    assert "the spread is 1.00%" in Desk(get_quotes=wide).ask(snapshot(signal("SPY", 0.9)))


def test_one_timeframe_that_points_down_keeps_it_out() -> None:
    def analyse(given: dict[str, Any]) -> object:
        score = -0.3 if given["symbol"] == "A" else -0.2
        return {"timeframes": [{"timeframe": "15Min", "score": score}]}

    desk = Desk(get_multi_timeframe_analysis=analyse)
    text = desk.ask(snapshot(signal("A", 0.9), signal("B", 0.8)))
    assert "HOLD A: 15Min points down" in text
    assert "Entered B" in text


def test_the_target_is_the_nearest_resistance_that_is_worth_the_risk() -> None:
    levels: Tool = lambda _: {"resistance": [100.5, 101.3, 101.7]}  # noqa: E731
    desk = Desk(get_levels=levels)
    desk.ask(snapshot(signal("SPY", 0.9)))
    assert desk.made("place_order")[0]["target_price"] == 101.3


def test_a_refused_target_is_left_out_and_the_order_asked_for_again() -> None:
    desk = Desk(preview_order=lambda it: denied("target") if "target_price" in it else APPROVED)
    assert "Entered SPY" in desk.ask(snapshot(signal("SPY", 0.9)))
    assert "target_price" not in desk.made("place_order")[0]


def test_a_symbol_that_is_refused_gives_way_to_the_next() -> None:
    desk = Desk(preview_order=lambda it: denied("quote") if it["symbol"] == "A" else APPROVED)
    text = desk.ask(snapshot(signal("A", 0.9), signal("B", 0.8), signal("C", 0.7)))
    assert [order["symbol"] for order in desk.made("place_order")] == ["B", "C"]
    assert "HOLD A: the desk says no: quote: the rule's numbers" in text


def test_a_refusal_that_would_meet_everything_ends_the_entries_of_the_cycle() -> None:
    desk = Desk(preview_order=lambda _: denied("daily_loss"))
    desk.ask(snapshot(signal("A", 0.9), signal("B", 0.8), signal("C", 0.7)))
    assert [given["symbol"] for given in desk.made("preview_order")] == ["A", "B"]
    assert desk.made("place_order") == []


def test_an_error_in_place_of_a_verdict_is_a_refusal() -> None:
    desk = Desk(place_order=lambda _: "error: connection refused")
    assert "the desk says no: its answer was an error" in desk.ask(snapshot(signal("SPY", 0.9)))
    assert len(desk.made("place_order")) == 1


def test_only_tools_that_are_offered_are_called() -> None:
    desk = Desk(offered=["place_order"])
    assert "Entered SPY" in desk.ask(snapshot(signal("SPY", 0.9)))
    assert [name for name, _ in desk.calls] == ["place_order"]
    blind = Desk(offered=[])
    blind.ask(snapshot(signal("SPY", 0.9), positions=[holding("IBM")]))
    assert blind.calls == []


def test_what_has_turned_is_closed_and_the_rest_is_kept_with_a_reason() -> None:
    desk = Desk()
    sight = snapshot(
        signal("SPY", -0.3), signal("IBM", -0.2), positions=[holding("SPY"), holding("IBM")]
    )
    assert desk.ask(sight).splitlines() == [
        "HOLD IBM: strength -0.20, not turned",
        "Entered nothing, left SPY, kept IBM.",
    ]
    (closed,) = desk.made("close_position")
    assert closed == {"symbol": "SPY", "reason": "the signal turned to -0.30"}


def test_the_stop_of_a_winner_follows_in_steps() -> None:
    moved, far, unprotected = Desk(), Desk(), Desk()
    moved.ask(snapshot(signal("SPY", 0.1), positions=[holding("SPY", price=102.0)]))
    assert moved.made("tighten_stop") == [{"symbol": "SPY", "stop_price": 101.25}]
    far.ask(snapshot(signal("SPY", 0.1), positions=[holding("SPY", price=102.0, stop=101.1)]))
    unprotected.ask(snapshot(signal("SPY", 0.1), positions=[holding("SPY", price=102, stop=None)]))
    assert far.made("tighten_stop") == unprotected.made("tighten_stop") == []


@pytest.mark.parametrize("text", ["Buy everything!", '<snapshot>{"signals": [</snapshot>'])
def test_without_a_whole_snapshot_nothing_moves(text: str) -> None:
    turn = next_turn(read({"messages": [{"role": "user", "content": text}]}))
    assert turn.calls == ()
    assert "nothing" in turn.text


def test_answers_from_before_the_last_snapshot_do_not_count() -> None:
    sight = f"<snapshot>{json.dumps(snapshot(signal('SPY', 0.9)))}</snapshot>"
    call = {"id": "1", "function": {"name": "get_quotes", "arguments": '{"symbols": ["SPY"]}'}}
    earlier = [
        {"role": "user", "content": sight},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "{}"},
    ]
    tools = [{"function": {"name": "get_quotes"}}]
    again = {"messages": [*earlier, {"role": "user", "content": sight}], "tools": tools}
    assert next_turn(read({"messages": earlier, "tools": tools})).calls == ()
    assert [call.name for call in next_turn(read(again)).calls] == ["get_quotes"]


@pytest.mark.parametrize(
    ("quote", "price", "at"),
    [
        ({"ask": 100.01, "at": "10:30:05"}, 100.01, "10:30:05"),
        ({"ask": 100.01}, 100.0, "10:30:00"),
        ({}, 100.0, "10:30:00"),
    ],
)
def test_an_entry_cites_the_ask_else_the_signals_price(
    quote: dict[str, Any], price: float, at: str
) -> None:
    desk = Desk(get_quotes=lambda _: {"quotes": [{"symbol": "SPY", **quote}]})
    desk.ask({**snapshot(signal("SPY", 0.7)), "prices_at": "10:30:00"})
    for name in ("preview_order", "place_order"):
        (order,) = desk.made(name)
        assert (order["price"], order["price_at"]) == (price, at)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"messages": []},
        {"messages": ["hello"]},
        {"messages": [{"role": "system"}]},
        {"messages": [{"role": "user", "content": "x"}], "tools": [{"name": "flat"}]},
        {
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
                },
                {"role": "user", "content": "a tool message is missing"},
            ]
        },
    ],
)
def test_a_body_that_is_no_conversation_is_refused(body: object) -> None:
    with pytest.raises(BadRequest):
        read(body)
