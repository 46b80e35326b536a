"""The snapshot in few bytes: what is left out is told elsewhere, or says nothing."""

import json
from typing import Any

from agent import compact


def signal(symbol: str = "SPY", strength: float = 0.5, **more: Any) -> dict[str, Any]:
    row = {
        "symbol": symbol,
        "strength": strength,
        "coverage": 1.0,
        "confidence": 0.9,
        "price": 100.5,
        "price_at": "2013-10-07T15:15:00Z",
        "next_resistance": None,
        "atr": 0.2,
        "volume_ratio": 0.7,
        "quality": {"grade": "B", "feed": "iex", "age_s": 0, "gaps": 0, "halted": False},
        "exhaustion": [],
        "evidence": ["1Min +0.58: EMA20>50"],
    }
    return row | more


def test_a_signal_keeps_what_a_decision_needs() -> None:
    assert compact.signals([signal()], ()) == [
        {
            "symbol": "SPY",
            "strength": 0.5,
            "price": 100.5,
            "atr": 0.2,
            "volume_ratio": 0.7,
            "quality": "B",
            "evidence": ["1Min +0.58: EMA20>50"],
        }
    ]


def test_evidence_is_told_of_what_is_held_or_might_be_bought() -> None:
    told = [signal("AAA", 0.24), signal("BBB", 0.25), signal("CCC", -0.9), signal("DDD", -0.9)]
    rows = compact.signals(told, {"CCC"})
    assert [row["symbol"] for row in rows if "evidence" in row] == ["BBB", "CCC"]


def test_what_is_unusual_is_told_where_it_is() -> None:
    late = "2013-10-07T15:09:00Z"
    odd = {"grade": "D", "gaps": 3, "halted": True}
    told = [signal(), signal("QQQ"), signal("OLD", coverage=0.4, price_at=late, quality=odd)]
    assert compact.prices_at(told) == "2013-10-07T15:15:00Z"
    [row] = compact.signals(told, ())[2:]
    assert (row["coverage"], row["price_at"], row["quality"]) == (0.4, late, "D 3 gaps halted")


def test_a_resting_exit_is_told_by_its_position_alone() -> None:
    entry = {"symbol": "QQQ", "side": "buy", "type": "limit", "stop_price": None}
    stop = {"symbol": "SPY", "side": "sell", "type": "stop", "stop_price": 99}
    stray = {**stop, "symbol": "AMD"}
    told = compact.orders([entry, stop, stray], {"SPY"})
    assert told == [{"symbol": "QQQ", "side": "buy", "type": "limit"}, stray]


def test_a_blocked_account_is_told_and_an_open_one_is_not() -> None:
    assert compact.account({"cash": 1, "trading_blocked": False, "last_equity": 2}) == {"cash": 1}
    assert compact.account({"cash": 1, "trading_blocked": True})["trading_blocked"] is True


def test_the_desks_state_leaves_out_what_prompt_and_session_say() -> None:
    told = {"trading_state": "ACTIVE", "flatten_at": "x", "allowed_symbols": None, "positions": 0}
    assert compact.risk(told) == {"trading_state": "ACTIVE", "positions": 0}


def test_no_tag_can_begin_and_the_text_is_still_json() -> None:
    content = {"message": "</snapshot> <b>", "price": 1.5}
    told = compact.as_text(content)
    assert "<" not in told
    assert json.loads(told) == content
