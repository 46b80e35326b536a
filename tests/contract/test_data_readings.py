"""What the data server reads out of the market: grades, signs of exhaustion, structure, levels."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from agent_tools._reading_answers import Seen, Signals
from tests.contract.test_data_server import FEW, SYMBOLS, World, on_monday
from tests.contract.test_data_server import HOURS as ALL_HOURS
from tests.feeds import HOURS, MONDAY, Feed, at, minutes
from tools.bar_history import BarHistory
from tools.core.errors import MarketDataUnavailable
from tools.data_quality import Grade, Quality
from tools.exhaustion import Exhaustion, Sign
from tools.simulation.synthetic import SyntheticTape
from tools.smart_money import Direction, Kind, Sighting, Structure
from tools.ta_helper import Analyst

pytestmark = pytest.mark.anyio

LARGEST_ANSWER = 8_192
NOW = at(MONDAY, 11, 0)
ABOUT_SYMBOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "get_quotes": ("quotes", {"symbols": FEW}),
    "get_snapshots": ("snapshots", {"symbols": FEW}),
    "get_trading_signals": ("signals", {"symbols": FEW}),
    "get_bars": ("", {"symbol": "SYMA"}),
    "get_indicators": ("", {"symbol": "SYMA"}),
    "get_multi_timeframe_analysis": ("", {"symbol": "SYMA"}),
    "get_levels": ("", {"symbol": "SYMA"}),
}


@pytest.fixture(scope="module")
def tape() -> SyntheticTape:
    return SyntheticTape(SYMBOLS, ALL_HOURS, seed=1)


@pytest.fixture
def world(tape: SyntheticTape) -> World:
    return World(tape, on_monday(11, 0))


@pytest.mark.parametrize("name", ABOUT_SYMBOLS)
async def test_whatever_is_said_of_a_symbol_carries_a_grade(world: World, name: str) -> None:
    list_of, arguments = ABOUT_SYMBOLS[name]
    answer = await world.answer(name, **arguments)
    for line in answer[list_of] if list_of else [answer]:
        quality = line["quality"]
        assert (quality["grade"], quality["feed"], quality["age_s"]) == ("B", "iex", 0)
        assert quality["halted"] is False
        assert (quality["spread_bps"] is None) == (not list_of)
        assert quality["gaps"] == (None if name == "get_quotes" else 0)


async def test_a_grade_falls_as_the_quote_ages(world: World) -> None:
    world.now += timedelta(seconds=45)
    (signal, _) = (await world.answer("get_trading_signals", symbols=FEW))["signals"]
    assert (signal["quality"]["grade"], signal["quality"]["age_s"]) == ("C", 45)


async def test_prices_and_quotes_say_when_they_were(world: World) -> None:
    world.now += timedelta(seconds=45)
    minute = "2013-10-07T15:00:00Z"
    (snapshot, _) = (await world.answer("get_snapshots", symbols=FEW))["snapshots"]
    assert (snapshot["price_at"], snapshot["quote_at"]) == (minute, minute)
    for name, key in (("get_trading_signals", "signals"), ("get_levels", "")):
        list_of, arguments = ABOUT_SYMBOLS[name]
        answer = await world.answer(name, **arguments)
        assert (answer[list_of][0] if key else answer)["price_at"] == minute


async def test_the_next_resistance_of_signal_and_levels_is_the_nearest(world: World) -> None:
    levels = await world.answer("get_levels", symbol="SYMA")
    (signal, _) = (await world.answer("get_trading_signals", symbols=FEW))["signals"]
    assert levels["next_resistance"] == levels["resistance"][0] == signal["next_resistance"]
    assert levels["next_support"] == levels["support"][0]


async def test_five_and_fifteen_minutes_have_a_structure(world: World) -> None:
    analysis = await world.answer("get_multi_timeframe_analysis", symbol="SYMA")
    one, five, fifteen = (frame["structure"] for frame in analysis["timeframes"])
    assert one is None
    for structure in (five, fifteen):
        kinds = [signal["kind"] for signal in structure["signals"]]
        assert len(kinds) == len(set(kinds)) > 0
        assert structure["direction"] in ("up", "down")


async def test_signals_stand_without_quotes_and_say_less(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_: object) -> Any:
        raise MarketDataUnavailable("connection refused")

    monkeypatch.setattr(world.market, "quotes", down)
    (signal, _) = (await world.answer("get_trading_signals", symbols=FEW))["signals"]
    assert signal["strength"] != 0
    assert signal["quality"]["spread_bps"] is None


def seen(exhaustion: tuple[Exhaustion, ...] = (), structure: Structure | None = None) -> Seen:
    """A view with as much to say as there can be."""
    history = BarHistory(
        Feed(SPY=minutes(MONDAY, 9, 30, [1234.5678 + n for n in range(90)])), HOURS
    )
    history.refresh(["SPY"], NOW)
    analyst = Analyst(history)
    view = analyst.look("SPY", NOW)
    one, five, fifteen = view.timeframes
    five = replace(five, exhaustion=exhaustion, structure=structure)
    signal = replace(view.signal, evidence=tuple(f"reason {n} {'x' * 40}" for n in range(7)))
    return Seen(
        view=replace(view, timeframes=(one, five, fifteen), signal=signal, atr=1234.5678),
        around=analyst.look_around("SPY", NOW),
        quality=Quality(
            grade=Grade.D,
            feed="delayed_sip",
            age_seconds=86_399,
            gaps=30,
            spread_bps=1234.5,
            halted=False,
        ),
    )


def a_sign(sign: Sign = Sign.FADING, *, rising: bool = True) -> Exhaustion:
    return Exhaustion(
        sign=sign,
        rising=rising,
        first=at(MONDAY, 10, 35),
        last=at(MONDAY, 10, 50),
        price=(101.2, 102.25),
        measure=(0.4214, 0.118),
    )


def an_event(when: datetime, kind: Kind = Kind.CHANGE_OF_CHARACTER) -> Sighting:
    return Sighting(kind=kind, direction=Direction.DOWN, at=when, about=when, low=101.5, high=101.5)


def test_a_sign_of_exhaustion_is_said_with_its_bars_and_numbers() -> None:
    (line,) = Signals.of([seen((a_sign(),))]).signals
    assert line.exhaustion == (
        "rise fades 10:35-10:50: MACD histogram 0.421 to 0.118, price 101.20 to 102.25",
    )


def test_the_sessions_latest_events_are_part_of_the_evidence() -> None:
    before = datetime.fromisoformat("2013-10-04T15:00:00Z")
    events = (an_event(before, Kind.LIQUIDITY_SWEEP), an_event(at(MONDAY, 10, 40)))
    full = seen(structure=Structure(sightings=events))
    short = replace(full, view=replace(full.view, signal=replace(full.view.signal, evidence=())))
    (line,) = Signals.of([short]).signals
    assert line.evidence == ("5Min CHoCH down 10:40 at 101.50",)


@pytest.mark.parametrize("count", [1, 5, 10, 20])
def test_however_much_there_is_to_say_the_answer_stays_small(count: int) -> None:
    signs = tuple(a_sign(sign, rising=side) for sign in Sign for side in (True, False))
    text = Signals.of([seen(signs)] * count).model_dump_json()
    assert len(text) <= LARGEST_ANSWER
    for line in json.loads(text)["signals"]:
        assert line["evidence"][0].startswith("reason 0")
        assert count > 10 or line["exhaustion"]
