"""Which minute does a recorded quote row describe? `python -m benchmarks.quote_labels DIR`.

For each symbol: the mean distance, in cents, between a bar's close and the middle of the closing
quote in the row labelled the same, a minute earlier and a minute later; over all days in DIR and
the regular hours.
"""

import csv
import sys
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean

from tools.schedule.market_hours import new_york

LAGS = (-1, 0, 1)


def main(folder: Path) -> None:
    """Print one line a symbol."""
    symbols = sorted({path.name.split(".")[0] for path in folder.glob("*/*.quotes.csv")})
    print("symbol  " + "  ".join(f"{lag:+d} min" for lag in LAGS) + "   cents from the bar's close")
    for symbol in symbols:
        days = sorted(folder.glob(f"*/{symbol}.quotes.csv"))
        means = [fmean(d for day in days for d in _distances(day, symbol, lag)) for lag in LAGS]
        print(f"{symbol:6}  " + "  ".join(f"{100 * mean:6.2f}" for mean in means))


def _distances(quotes: Path, symbol: str, lag: int) -> list[float]:
    closes = {row["timestamp"]: float(row["close"]) for row in _rows(quotes, f"{symbol}.bars.csv")}
    found = []
    for row in _rows(quotes, quotes.name):
        label = datetime.fromisoformat(row["timestamp"]) - lag * timedelta(minutes=1)
        close = closes.get(label.strftime("%Y-%m-%dT%H:%M:%SZ"))
        if close is not None and "09:35" <= f"{new_york(label):%H:%M}" < "15:55":
            found.append(abs((float(row["bid_close"]) + float(row["ask_close"])) / 2 - close))
    return found


def _rows(beside: Path, name: str) -> list[dict[str, str]]:
    with beside.with_name(name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
