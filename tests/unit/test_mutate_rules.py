"""A wrong rule fails a test: five mutants of the rules, the same ones each time."""

import subprocess
import sys

from tests.conftest import ROOT
from tests.mutate_rules import mutants


def test_no_mutant_of_a_sample_survives() -> None:
    tried = subprocess.run(
        [sys.executable, "-m", "tests.mutate_rules", "--sample", "5", "--seed", "4"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert tried.stdout.splitlines()[-1] == "5 mutants, 0 survivors (seed 4)"


def test_every_module_of_rules_is_mutated() -> None:
    found = mutants()
    assert len(found) == len({(one.module, one.node, one.choice) for one in found}) > 100
    assert {one.module for one in found} >= {"findings", "limits_ticket", "limits_book", "caps"}
