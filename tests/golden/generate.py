"""Write the golden values: TA-Lib's answers over a synthetic tape.

TA-Lib is no requirement of this project. By hand, in a throw-away environment:

    python -m venv /tmp/talib && /tmp/talib/bin/pip install TA-Lib==0.8.2 numpy==2.2.6
    /tmp/talib/bin/python tests/golden/generate.py

`bars.csv` is the tape, made from SEED. `talib.csv` has a row for every STEP-th bar from FIRST on:
by then TA-Lib's first values and ours, which are made differently, weigh nothing any more.
"""

import csv
import importlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

SEED, BARS = 20131007, 900
FIRST, STEP = 400, 10
FOLDER = Path(__file__).parent

type Values = npt.NDArray[np.float64]


def tape() -> list[tuple[float, float, float, float, float]]:
    """A random walk in whole cents with ranges and volumes, calm and wild by turns."""
    draw = np.random.default_rng(SEED)
    wild = 10 + 8 * np.sin(np.arange(BARS) / 40)
    close = 10_000 + np.rint(draw.normal(0, wild)).cumsum()
    opened = np.concatenate(([10_000.0], close[:-1]))
    high = np.maximum(opened, close) + draw.integers(0, 12, BARS)
    low = np.minimum(opened, close) - draw.integers(0, 12, BARS)
    volume = draw.integers(100, 20_000, BARS)
    cents = np.column_stack((opened, high, low, close)) / 100
    return [(*row, float(v)) for row, v in zip(cents.tolist(), volume, strict=True)]


def talibs_answers(bars: Values) -> dict[str, Values]:
    """By our names; the settings are those of docs/indicators.md."""
    talib = importlib.import_module("talib")
    _, high, low, close, volume = np.ascontiguousarray(bars.T)
    line, signal, histogram = talib.MACD(close, 12, 26, 9)
    upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    return {
        "ema_20": talib.EMA(close, 20),
        "ema_50": talib.EMA(close, 50),
        "sma_20": talib.SMA(close, 20),
        "rsi": talib.RSI(close, 14),
        "macd.line": line,
        "macd.signal": signal,
        "macd.histogram": histogram,
        "bollinger.lower": lower,
        "bollinger.middle": middle,
        "bollinger.upper": upper,
        "atr": talib.ATR(high, low, close, 14),
        "adx.plus": talib.PLUS_DI(high, low, close, 14),
        "adx.minus": talib.MINUS_DI(high, low, close, 14),
        "adx.adx": talib.ADX(high, low, close, 14),
        "obv": talib.OBV(close, volume),
    }


def main() -> None:
    """Write both files."""
    bars = tape()
    _write("bars.csv", ["open", "high", "low", "close", "volume"], bars)
    answers = talibs_answers(np.array(bars))
    rows = [
        (n, *(float(values[n]) for values in answers.values())) for n in range(FIRST, BARS, STEP)
    ]
    _write("talib.csv", ["bar", *answers], rows)


def _write(name: str, header: list[str], rows: Sequence[tuple[float, ...]]) -> None:
    with (FOLDER / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([[repr(value) for value in row] for row in rows])


if __name__ == "__main__":
    main()
