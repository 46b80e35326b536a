"""Forty days with random faults, days without each layer, and the sabotage that must show."""

import pytest

from tests.days.campaign import main
from tests.days.layers import LAYERS


def test_every_sellable_day_ends_flat_and_no_certificate_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main(["--days", "40", "--seed", "1"])
    told = capsys.readouterr().out
    assert status == 0, told
    assert told.rstrip().endswith(" 0 wrong certificates")


@pytest.mark.parametrize("layer", LAYERS)
def test_any_single_layer_can_be_missing(layer: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--days", "4", "--seed", "500", "--without", layer])
    assert status == 0, capsys.readouterr().out


def test_a_dead_trader_and_two_silent_layers_are_found_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main(["--days", "3", "--seed", "1", "--sabotage"])
    told = capsys.readouterr().out
    assert status == 1, told
    assert ": held " in told


def test_a_day_is_the_same_at_every_run(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for _ in range(2):
        main(["--days", "2", "--seed", "9"])
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
