"""Our indicators beside TA-Lib's answers over the same tape; tests/golden/generate.py made both."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from tests.golden.generate import tape
from tools.technical_indicators import indicators

type Values = npt.NDArray[np.float64]

GOLDEN = Path(__file__).parents[1] / "golden"
OURS_ALONE = {"vwap", "bollinger.position"}
"""What TA-Lib has no function for; their definitions are tested in test_technical_indicators."""


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    found = pd.read_csv(GOLDEN / "bars.csv", dtype=float)
    index = pd.date_range("2013-10-07 13:30", periods=len(found), freq="min", tz="UTC")
    return found.set_index(index)


@pytest.fixture(scope="module")
def ours(bars: pd.DataFrame) -> dict[str, Values]:
    found: dict[str, Values] = {}
    for name, function in indicators().items():
        values = function(bars)
        if isinstance(values, pd.Series):
            found[name] = np.asarray(values, np.float64)
        else:
            found |= {
                f"{name}.{part}": np.asarray(values[part], np.float64) for part in values.columns
            }
    return found


THEIRS = pd.read_csv(GOLDEN / "talib.csv").set_index("bar")


def test_the_tape_is_the_one_its_seed_makes(bars: pd.DataFrame) -> None:
    assert bars.to_numpy().tolist() == [list(row) for row in tape()]


def test_every_indicator_has_golden_values(ours: dict[str, Values]) -> None:
    assert ours.keys() - OURS_ALONE == set(THEIRS.columns)


@pytest.mark.parametrize("name", sorted(set(THEIRS.columns) - {"obv"}))
def test_ours_agrees_with_talib_to_a_millionth(name: str, ours: dict[str, Values]) -> None:
    apart = np.abs(ours[name][THEIRS.index] - THEIRS[name].to_numpy())
    assert len(apart) == 50
    assert apart.max() < 1e-6


def test_the_changes_of_obv_are_talibs(ours: dict[str, Values]) -> None:
    apart = ours["obv"][THEIRS.index] - THEIRS["obv"].to_numpy()
    assert set(apart) == {apart[0]}  # TA-Lib begins with the first bar's volume, we with nothing
