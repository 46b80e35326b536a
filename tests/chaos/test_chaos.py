"""The campaigns, short: ours finds nothing, and each finds what it is there to find."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from tests.chaos import hostile_model, order_path
from tools.core.safety import RiskLimits

pytestmark = pytest.mark.services

KILLS = 60


def test_killed_at_random_moments_nothing_is_doubled_unknown_or_naked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = order_path.main(["--kills", str(KILLS), "--seed", "1"])
    *_, counts, last = capsys.readouterr().out.splitlines()
    assert last == f"{KILLS} kills, 0 duplicates, 0 unknown, 0 naked"
    assert status == 0
    assert int(re.findall(r"(\d+) filled", counts)[0]) > 0


def test_the_same_campaign_finds_the_duplicates_of_a_naive_desk(tmp_path: Path) -> None:
    found = order_path.Campaign(tmp_path, kills=14, seed=1, naive=True, shortest=4, quiet=0).run()
    assert found.duplicates


def test_a_hostile_model_breaks_no_invariant() -> None:
    tally, broken = hostile_model.campaign(2_000, seed=1)
    assert broken == []
    assert tally.entries > 10


def test_its_oracle_sees_limits_that_are_not_kept() -> None:
    loose = RiskLimits(
        risk_per_trade_fraction=Decimal("0.2"),
        max_position_fraction=Decimal(1),
        max_open_risk_fraction=Decimal(1),
        max_minute_volume_fraction=Decimal(1),
        max_daily_volume_fraction=Decimal(1),
        max_order_value_multiple=Decimal(100),
    )
    _, broken = hostile_model.campaign(400, seed=1, limits=loose)
    assert any("risks" in words or "is worth" in words for words in broken)
