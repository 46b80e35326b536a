"""Indicators over a bar frame: pandas-ta's averages, and the few lines of arithmetic around them.

A *bar frame* has the float columns open, high, low, close, volume and a sorted UTC index of bar
starts, closed bars of regular hours only (`tools.bar_history` makes them).

To add an indicator, add a public function here whose one parameter is `bars` and which returns a
Series, or a DataFrame with a column per part, over the frame's index. `indicators()` finds it, so
`get_indicators` offers it; `@ready_after(n)` says how many bars it needs (docs/indicators.md).

pandas-ta's own composites (`ta.rsi`, `ta.macd`, `ta.adx`…) take 0.4 to 1.5 ms each, nearly all of
it inside pandas. Built from its averages they take a quarter of that, and each has one seed, the
first value, whose remaining weight can be told. A test holds them to pandas-ta's composites.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd
import pandas_ta as ta

# Wherever TA-Lib is installed pandas-ta prefers it, and other numbers come out (DMP is then no DI).
ta.Imports["talib"] = False

SEED_WEIGHT = 0.01
SECONDS_PER_DAY = 86_400

type Values = npt.NDArray[np.float64]
type Indicator = Callable[[pd.DataFrame], "pd.Series[float] | pd.DataFrame"]

_ready_after: dict[str, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The latest value of one indicator, or of one part (`macd.histogram`).

    `value` is None until the indicator is ready, and where it is undefined (a flat tape has no
    RSI). `missing_bars` is how many more it needs.
    """

    name: str
    value: float | None
    missing_bars: int


def indicators() -> dict[str, Indicator]:
    """Every indicator of this file by name, in the file's order."""
    return {
        name: function
        for name, function in globals().items()
        if not name.startswith("_") and inspect.isfunction(function) and _takes_bars(function)
    }


def read(bars: pd.DataFrame, names: Iterable[str]) -> list[Reading]:
    """The latest values of the named indicators at the last bar of `bars`.

    Raises KeyError for an unknown name, ValueError for a frame that is no bar frame.
    """
    known = indicators()
    return [reading for name in names for reading in _latest(name, known[name], bars)]


def ready_after(count: int) -> Callable[[Indicator], Indicator]:
    """Declare the number of bars that an indicator needs; without it one is enough."""

    def declare(function: Indicator) -> Indicator:
        _ready_after[function.__name__] = count
        return function

    return declare


def bars_needed(name: str) -> int:
    """How many bars the named indicator needs before it is ready."""
    return _ready_after.get(name, 1)


def ema(span: int) -> float:
    """The weight of the latest value in an exponential average over `span`."""
    return 2 / (span + 1)


def wilder(span: int) -> float:
    """The weight of the latest value in Wilder's average over `span`."""
    return 1 / span


def settled(weight: float) -> int:
    """Steps until the first value of an average weighs under 1 %: least k, (1 - weight)^k < 0.01.

    `weight` is that of the latest value. An average of averages needs the sum of both.
    """
    return math.floor(math.log(SEED_WEIGHT) / math.log(1 - weight)) + 1


@ready_after(1 + settled(ema(20)))
def ema_20(bars: pd.DataFrame) -> "pd.Series[float]":
    """Exponential average of the closes, in dollars, from the frame's first close on."""
    return _series(bars, _ema(_close(bars), 20))


@ready_after(1 + settled(ema(50)))
def ema_50(bars: pd.DataFrame) -> "pd.Series[float]":
    """Like `ema_20`, slower."""
    return _series(bars, _ema(_close(bars), 50))


@ready_after(20)
def sma_20(bars: pd.DataFrame) -> "pd.Series[float]":
    """Plain mean of the last 20 closes, in dollars."""
    return _series(bars, _engine(ta.sma, _close(bars), 20))


def vwap(bars: pd.DataFrame) -> "pd.Series[float]":
    """Volume-weighted mean of (high + low + close) / 3 since the session's open, in dollars.

    NaN until volume is traded. A session is a UTC day, which regular hours never leave.
    """
    high, low, close, volume = _columns(bars, "high", "low", "close", "volume")
    typical = (high + low + close) / 3
    return _series(bars, _divide(_since_open(bars, typical * volume), _since_open(bars, volume)))


@ready_after(2 + settled(wilder(14)))
def rsi(bars: pd.DataFrame) -> "pd.Series[float]":
    """Relative strength, 0…100: the share of rises in Wilder's averages (14) of rises and falls."""
    close = _close(bars)
    change = close - _before(close)
    rise, fall = _wilder(np.maximum(change, 0)), _wilder(np.maximum(-change, 0))
    return _series(bars, 100 * _divide(rise, rise + fall))


@ready_after(1 + settled(ema(26)) + settled(ema(9)))
def macd(bars: pd.DataFrame) -> pd.DataFrame:
    """EMA 12 less EMA 26 is the `line`, its EMA 9 the `signal`, the rest the `histogram`."""
    close = _close(bars)
    line = _ema(close, 12) - _ema(close, 26)
    signal = _ema(line, 9)
    return _frame(bars, line=line, signal=signal, histogram=line - signal)


@ready_after(20)
def bollinger(bars: pd.DataFrame) -> pd.DataFrame:
    """SMA 20 and two population standard deviations around it, in dollars.

    `position` is 0 at the lower band and 1 at the upper one; NaN where the bands touch.
    """
    close = _close(bars)
    middle = _engine(ta.sma, close, 20)
    reach = 2 * np.sqrt(_engine(ta.variance, close, 20, ddof=0))
    return _frame(
        bars,
        lower=middle - reach,
        middle=middle,
        upper=middle + reach,
        position=_divide(close - middle + reach, 2 * reach),
    )


@ready_after(1 + settled(wilder(14)))
def atr(bars: pd.DataFrame) -> "pd.Series[float]":
    """Wilder's average (14) of the true range, in dollars: the usual reach of one bar."""
    return _series(bars, _wilder(_true_range(bars)))


@ready_after(2 + 2 * settled(wilder(14)))
def adx(bars: pd.DataFrame) -> pd.DataFrame:
    """Directional movement, 0…100: `plus` and `minus` say where to, `adx` how steadily."""
    high, low = _columns(bars, "high", "low")
    up, down = high - _before(high), _before(low) - low
    reach = _wilder(_true_range(bars))
    plus = 100 * _divide(_wilder(np.where((up > down) & (up > 0), up, 0.0)), reach)
    minus = 100 * _divide(_wilder(np.where((down > up) & (down > 0), down, 0.0)), reach)
    steadiness = _wilder(100 * _divide(np.abs(plus - minus), plus + minus))
    return _frame(bars, plus=plus, minus=minus, adx=steadiness)


def obv(bars: pd.DataFrame) -> "pd.Series[float]":
    """Shares traded on rises less those on falls, since the frame's first bar.

    The level is arbitrary, only its changes mean something.
    """
    close, volume = _columns(bars, "close", "volume")
    return _series(bars, np.nancumsum(np.sign(close - _before(close)) * volume))


@functools.cache
def _takes_bars(function: Callable[..., object]) -> bool:
    return list(inspect.signature(function).parameters) == ["bars"]


def _latest(name: str, function: Indicator, bars: pd.DataFrame) -> list[Reading]:
    values = function(bars)
    parts = (
        [name] if isinstance(values, pd.Series) else [f"{name}.{part}" for part in values.columns]
    )
    row = np.atleast_1d(values.to_numpy()[-1]) if len(bars) else [math.nan] * len(parts)
    missing = max(0, bars_needed(name) - len(bars))
    return [
        Reading(
            name=part,
            value=float(value) if not missing and math.isfinite(value) else None,
            missing_bars=missing,
        )
        for part, value in zip(parts, row, strict=True)
    ]


def _columns(bars: pd.DataFrame, *names: str) -> list[Values]:
    """The named columns, or ValueError: pandas-ta computes on over a NaN or a disordered index."""
    table = bars.to_numpy(dtype=np.float64)
    if not np.isfinite(table).all():
        raise ValueError("not every value of the bar frame is a number")
    if not (bars.index.is_monotonic_increasing and bars.index.is_unique):
        raise ValueError("the bar frame's index is not sorted, or repeats itself")
    return [table[:, bars.columns.get_loc(name)] for name in names]


def _close(bars: pd.DataFrame) -> Values:
    return _columns(bars, "close")[0]


def _engine(
    average: Callable[..., object], values: Values, length: int, **options: object
) -> Values:
    """pandas-ta's answer as an array. It says None where the values are too few."""
    answer = average(pd.Series(values), length, **options)
    if answer is None:
        return np.full(len(values), np.nan)
    return np.asarray(answer, dtype=np.float64)


def _ema(values: Values, span: int) -> Values:
    return _average(values, ema(span), span)


def _wilder(values: Values) -> Values:
    return _average(values, wilder(14), 14)


def _average(values: Values, weight: float, least: int) -> Values:
    """The values of `ta.ema` without its presma, and of `ta.rma`; pandas spends 200 us around them.

    NaN throughout for fewer values than `least`.
    """
    return _running(values, weight) if len(values) >= least else np.full(len(values), np.nan)


def _average_of(values: Values, weight: float) -> Values:
    """The first value is the seed; `weight` is that of the latest.

    Where a value is missing the average stands, and weighs less beside the next one for it.
    """
    averages = np.empty(len(values))
    average, kept = np.nan, 1.0
    for bar, value in enumerate(values):
        kept *= 1 - weight
        if np.isnan(average):
            average, kept = value, 1.0
        elif not np.isnan(value):
            average, kept = (kept * average + weight * value) / (kept + weight), 1.0
        averages[bar] = average
    return averages


_running: Callable[[Values, float], Values] = numba.njit(cache=True)(_average_of)


def _before(values: Values) -> Values:
    """The values one bar earlier; the first bar has none before it."""
    earlier = np.full(len(values), np.nan)
    earlier[1:] = values[:-1]
    return earlier


def _true_range(bars: pd.DataFrame) -> Values:
    """High to low, stretched to the close before; the first bar's own range."""
    high, low, close = _columns(bars, "high", "low", "close")
    before = _before(close)
    top: Values = np.fmax(high, before)
    bottom: Values = np.fmin(low, before)
    return top - bottom


def _since_open(bars: pd.DataFrame, values: Values) -> Values:
    """The running sum of `values`, starting anew with each UTC day."""
    day = cast(pd.DatetimeIndex, bars.index).as_unit("s").asi8 // SECONDS_PER_DAY
    opening = np.where(np.diff(day, prepend=-1) != 0, np.arange(len(day)), 0)
    total: Values = np.cumsum(values)
    earlier: Values = (total - values)[np.maximum.accumulate(opening)]
    return total - earlier


def _divide(numerator: Values, denominator: Values) -> Values:
    """The quotient; NaN, not infinity or a warning, where the denominator is 0."""
    quotient = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient


def _series(bars: pd.DataFrame, values: Values) -> "pd.Series[float]":
    return pd.Series(values, bars.index)


def _frame(bars: pd.DataFrame, **columns: Values) -> pd.DataFrame:
    return pd.DataFrame(np.column_stack(list(columns.values())), bars.index, list(columns))
