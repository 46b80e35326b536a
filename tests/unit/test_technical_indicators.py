"""Indicators by their definitions, by pandas-ta's own composites, and when they may be believed."""

import importlib.util
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pandas_ta as ta
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools import technical_indicators
from tools.settings import ROOT
from tools.technical_indicators import indicators, read

COLUMNS = ("open", "high", "low", "close", "volume")
READY_AFTER = {
    "ema_20": 48,  # the seed and 47 steps: (19/21)^47 < 0.01
    "ema_50": 117,
    "sma_20": 20,
    "vwap": 1,
    "rsi": 65,  # one change, its seed and 63 steps: (13/14)^63 < 0.01
    "macd": 82,  # 61 steps of the slow average, then 21 of the signal's
    "bollinger": 20,
    "atr": 64,
    "adx": 128,  # Wilder's average of what Wilder's averages say
    "obv": 1,
}


def frame(rows: Sequence[tuple[float, ...]], start: str = "2013-10-07 13:30") -> pd.DataFrame:
    """Bars of five minutes from `start`, UTC."""
    index = pd.date_range(start, periods=len(rows), freq="5min", tz="UTC")
    return pd.DataFrame(np.array(rows, dtype=float).reshape(-1, 5), index, COLUMNS)


def closes(*values: float) -> pd.DataFrame:
    """Bars that are all close, 100 shares each."""
    return frame([(value, value, value, value, 100) for value in values])


def walk(count: int, seed: int = 7) -> pd.DataFrame:
    """A random walk with ranges and volumes."""
    draw = np.random.default_rng(seed)
    close = 100 + draw.normal(0, 0.2, count).cumsum()
    opened = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(opened, close) + draw.random(count) * 0.1
    low = np.minimum(opened, close) - draw.random(count) * 0.1
    table = np.column_stack((opened, high, low, close, draw.integers(1, 1000, count)))
    return frame([tuple(row) for row in table])


def last(bars: pd.DataFrame, name: str) -> float | None:
    """The latest reading called `name`."""
    found = {r.name: r.value for r in read(bars, [name.partition(".")[0]])}
    return found[name]


def smoothed(values: list[float], weight: float) -> float:
    """The definition of an exponential average that begins at its first value."""
    average = values[0]
    for value in values[1:]:
        average += weight * (value - average)
    return average


def test_an_ema_is_an_exponential_average_from_the_first_close() -> None:
    bars = walk(150)
    close = bars["close"].tolist()
    assert last(bars, "ema_20") == pytest.approx(smoothed(close, 2 / 21))
    assert last(bars, "ema_50") == pytest.approx(smoothed(close, 2 / 51))


def test_an_sma_is_the_mean_of_the_last_twenty() -> None:
    assert last(closes(*range(1, 31)), "sma_20") == pytest.approx(20.5)


def test_bollinger_bands_stand_two_population_deviations_apart_from_the_mean() -> None:
    bars = closes(*range(1, 21))
    deviation = math.sqrt(33.25)
    assert last(bars, "bollinger.middle") == pytest.approx(10.5)
    assert last(bars, "bollinger.upper") == pytest.approx(10.5 + 2 * deviation)
    assert last(bars, "bollinger.lower") == pytest.approx(10.5 - 2 * deviation)
    assert last(bars, "bollinger.position") == pytest.approx(0.5 + 9.5 / (4 * deviation))


def test_rsi_is_the_share_of_rises_in_all_change() -> None:
    bars = closes(*(100 + (n // 2) + (n % 2) * 3 for n in range(80)))  # up 3, down 2, up 3...
    rise, fall = [3.0, 0.0] * 39 + [3.0], [0.0, 2.0] * 39 + [0.0]
    up, down = smoothed(rise, 1 / 14), smoothed(fall, 1 / 14)
    assert last(bars, "rsi") == pytest.approx(100 * up / (up + down))


def test_a_tape_that_only_rises_has_an_rsi_of_one_hundred() -> None:
    assert last(closes(*range(1, 101)), "rsi") == pytest.approx(100)


def test_macd_of_a_steady_climb_is_the_difference_of_the_lags() -> None:
    bars = closes(*(float(n) for n in range(400)))
    assert last(bars, "macd.line") == pytest.approx(
        25 / 2 - 11 / 2, abs=1e-6
    )  # an EMA n lags (n-1)/2
    assert last(bars, "macd.histogram") == pytest.approx(0, abs=1e-6)


def test_vwap_weighs_the_typical_price_and_starts_anew_at_each_open() -> None:
    first = frame([(9, 12, 6, 9, 1000)], "2013-10-04 19:55")
    second = frame([(10, 12, 9, 9, 300), (20, 21, 18, 21, 100)], "2013-10-07 13:30")
    assert last(first, "vwap") == pytest.approx(9)
    assert last(pd.concat((first, second)), "vwap") == pytest.approx((10 * 300 + 20 * 100) / 400)


def test_vwap_is_undefined_until_something_is_traded() -> None:
    assert last(frame([(10, 10, 10, 10, 0)]), "vwap") is None


def test_atr_counts_the_gap_from_the_close_before() -> None:
    calm = [(10.0, 11.0, 9.0, 10.0, 1.0)] * 99
    gapped = frame([*calm, (20.0, 21.0, 19.0, 20.0, 1.0)])
    assert last(frame(calm), "atr") == pytest.approx(2)
    assert last(gapped, "atr") == pytest.approx(2 + (11 - 2) / 14)


def test_adx_of_a_straight_climb_is_one_hundred() -> None:
    bars = frame([(n, n + 1, n - 1, n, 1) for n in range(10, 150)])
    assert last(bars, "adx.adx") == pytest.approx(100)
    assert last(bars, "adx.minus") == pytest.approx(0)
    assert last(bars, "adx.plus") == pytest.approx(50, abs=0.1)  # moves 1 a bar, of a range of 2


def test_obv_adds_volume_on_rises_and_takes_it_off_on_falls() -> None:
    bars = frame([(1, 1, 1, close, volume) for close, volume in ((5, 7), (6, 10), (6, 99), (4, 3))])
    assert last(bars, "obv") == 7


def test_every_composite_agrees_with_pandas_ta_once_its_seed_is_forgotten() -> None:
    bars = walk(900)
    high, low, close, volume = (bars[name] for name in ("high", "low", "close", "volume"))
    macd, bands = ta.macd(close), ta.bbands(close, 20, 2.0, 2.0, ddof=0)
    directions = ta.adx(high, low, close)
    theirs = {
        "ema_50": ta.ema(close, 50),
        "rsi": ta.rsi(close, 14),
        "macd.line": macd.iloc[:, 0],
        "macd.histogram": macd.iloc[:, 1],
        "macd.signal": macd.iloc[:, 2],
        "bollinger.lower": bands.iloc[:, 0],
        "bollinger.upper": bands.iloc[:, 2],
        "bollinger.position": bands.iloc[:, 4],
        "atr": ta.atr(high, low, close, 14),
        "adx.adx": directions.iloc[:, 0],
        "adx.plus": directions.iloc[:, 2],
        "adx.minus": directions.iloc[:, 3],
        "obv": ta.obv(close, volume),
    }
    for name, series in theirs.items():
        assert last(bars, name) == pytest.approx(series.iloc[-1], abs=1e-6), name


@pytest.mark.parametrize("missing", [[], [0, 1, 2], [0, 20, 21, 22, 50]])
def test_the_compiled_average_is_pandas_tas_wherever_a_value_is_missing(missing: list[int]) -> None:
    values = walk(200)["close"].to_numpy().copy()
    values[missing] = math.nan
    closes = pd.Series(values)
    fast = technical_indicators._ema(values, 20)
    np.testing.assert_allclose(fast, ta.ema(closes, 20, presma=False), rtol=1e-12)
    np.testing.assert_allclose(technical_indicators._wilder(values), ta.rma(closes, 14), rtol=1e-12)
    assert np.isnan(technical_indicators._ema(values[:19], 20)).all()


def test_vwap_agrees_with_pandas_ta(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warnings.filters", [])  # theirs silences the whole process
    bars = walk(40)
    theirs = ta.vwap(bars["high"], bars["low"], bars["close"], bars["volume"])
    assert technical_indicators.vwap(bars).tolist() == pytest.approx(theirs.tolist())


def test_no_indicator_uses_ta_lib_even_where_it_is_installed() -> None:
    assert ta.Imports["talib"] is False


def test_each_indicator_needs_the_bars_that_its_declaration_comes_to() -> None:
    missing = {r.name.partition(".")[0]: r.missing_bars for r in read(closes(), indicators())}
    assert missing == READY_AFTER


def test_the_documented_bars_are_the_ones_needed() -> None:
    text = (ROOT / "docs" / "indicators.md").read_text(encoding="utf-8")
    documented: dict[str, int] = {}
    for names, counts in re.findall(r"^\| (`\w+`.*?) \|.*\| ([\d, ]+) \|$", text, re.MULTILINE):
        named = re.findall(r"`(\w+)`", names)
        documented |= dict(zip(named, map(int, counts.split(", ")), strict=True))
    assert documented == READY_AFTER


@pytest.mark.parametrize("name", sorted(READY_AFTER))
def test_an_indicator_says_nothing_until_it_is_ready(name: str) -> None:
    needed = READY_AFTER[name]
    bars = walk(needed)
    early, ready = read(bars.iloc[:-1], [name]), read(bars, [name])
    assert all(r.value is None and r.missing_bars == 1 for r in early)
    assert all(r.value is not None and r.missing_bars == 0 for r in ready)


@pytest.mark.parametrize("name", ["ema_20", "ema_50"])
def test_the_seed_weighs_under_one_per_cent_exactly_when_ready(name: str) -> None:
    shifted = [100.0, *[0.0] * (READY_AFTER[name] - 1)]
    series = indicators()[name](closes(*shifted))
    assert float(series.iloc[-1]) < 1.0 <= float(series.iloc[-2])  # type: ignore[arg-type]


def test_the_seed_of_wilders_average_weighs_under_one_per_cent_when_ready() -> None:
    quiet = [(0.0, 0.0, 0.0, 0.0, 1.0)] * (READY_AFTER["atr"] - 1)
    series = technical_indicators.atr(frame([(0.0, 100.0, 0.0, 0.0, 1.0), *quiet]))
    assert series.iloc[-1] < 1.0 <= series.iloc[-2]


def test_a_tape_that_stands_still_leaves_the_undefined_undefined() -> None:
    bars = closes(*[50.0] * 200)
    undefined = {r.name for r in read(bars, indicators()) if r.value is None}
    assert undefined == {"rsi", "bollinger.position", "adx.adx", "adx.plus", "adx.minus"}
    assert last(bars, "atr") == 0
    assert last(bars, "ema_50") == 50


def test_without_bars_there_is_no_value_and_no_crash() -> None:
    assert all(r.value is None for r in read(closes(), indicators()))


@pytest.mark.parametrize("name", sorted(READY_AFTER))
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_frame_with_a_hole_is_refused(name: str, value: float) -> None:
    bars = walk(200)
    bars.iloc[100, 3] = value
    with pytest.raises(ValueError, match="not every value"):
        read(bars, [name])


@pytest.mark.parametrize("order", [[0, 2, 1], [0, 1, 1]])
def test_a_frame_in_disorder_is_refused(order: list[int]) -> None:
    with pytest.raises(ValueError, match="sorted"):
        read(walk(3).iloc[order], ["vwap"])


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        read(walk(3), ["settled"])


def test_a_function_added_to_the_file_is_an_indicator_at_once(tmp_path: Path) -> None:
    file = Path(technical_indicators.__file__)
    added = "\n\ndef spread(bars):\n    return bars['high'] - bars['low']\n"
    edited = tmp_path / "edited_indicators.py"
    edited.write_text(file.read_text(encoding="utf-8") + added, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("edited_indicators", edited)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert [*module.indicators()] == [*indicators(), "spread"]
    (reading,) = module.read(frame([(1, 3, 1, 2, 1)]), ["spread"])
    assert (reading.name, reading.value, reading.missing_bars) == ("spread", 2, 0)


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(2, 260),
    seed=st.integers(0, 2**32 - 1),
    absurd=st.sampled_from([1e-6, 1e6]),
)
def test_no_later_bar_changes_an_earlier_value(count: int, seed: int, absurd: float) -> None:
    bars = walk(count, seed)
    known = count // 2 + 1
    planted = bars.copy()
    planted.iloc[known:] *= absurd
    for name, function in indicators().items():
        then = function(bars.iloc[:known]).to_numpy()
        later = function(planted).to_numpy()[:known]
        told = ~np.isnan(then)  # pandas-ta gives nothing at all for very short frames
        # numpy sums a mean of 20 in an order that depends on the array's length
        np.testing.assert_allclose(then[told], later[told], rtol=1e-12, atol=1e-12, err_msg=name)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 1000))
def test_values_keep_their_bounds(seed: int, scale: float) -> None:
    bars = walk(140, seed)
    bars[[*COLUMNS[:4]]] *= scale
    values = {r.name: r.value for r in read(bars, indicators())}
    for name in ("rsi", "adx.adx", "adx.plus", "adx.minus"):
        assert values[name] is not None
        assert 0 <= values[name] <= 100, name  # type: ignore[operator]
    assert values["atr"] > 0  # type: ignore[operator]
    assert bars["low"].min() <= values["vwap"] <= bars["high"].max()
