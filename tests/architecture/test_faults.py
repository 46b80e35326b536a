"""docs/faults.md lists every row of the fault matrix, each with tests that exist."""

import ast
import re
from functools import cache

import pytest

from tests.architecture.source import ROOT

ROWS = re.findall(
    r"^\| (\d+) \| .+ \| .+ \| (.+) \|$",
    (ROOT / "docs" / "faults.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


@cache
def names_in(path: str) -> frozenset[str]:
    """The names of the test functions in a file under tests/."""
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(one.name for one in ast.walk(tree) if isinstance(one, functions))


def test_the_fifty_rows_are_there_in_their_order() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, 51))


@pytest.mark.parametrize(("number", "named"), ROWS, ids=[f"row-{number}" for number, _ in ROWS])
def test_every_row_names_tests_that_exist(number: str, named: str) -> None:
    found = re.findall(r"`(.+?)::(test_\w+)`", named)
    assert len(found) == named.count("`") // 2 > 0, number
    assert [one for one in found if one[1] not in names_in(one[0])] == []
