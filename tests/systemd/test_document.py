"""The commands of the document this was built from, as docs/operations.md says they answer."""

import re

import pytest

from tests.conftest import ROOT
from tests.systemd.host import OPERATOR, Host

pytestmark = [pytest.mark.services, pytest.mark.systemd, pytest.mark.long]

FOLLOWS = re.compile(r" -f( |$)")


def rows() -> list[tuple[str, str]]:
    """Command and what it says."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.partition("## The commands of the document")[2].partition("What does not")[0]
    found = re.findall(r"^\| `(.+)` \| (.+) \|$", section, re.MULTILINE)
    return [(command.replace(r"\|", "|"), said.strip("`")) for command, said in found]


def test_each_command_answers_as_the_paper_says(installed: Host) -> None:
    installed.shell("rm -rf logs/* data/agent_data/*")
    installed.manage("restart", "--force")
    installed.manage("start")
    wrong = []
    for command, expected in rows():
        root = command.startswith("sudo ")
        line = command.removeprefix("sudo ")
        if FOLLOWS.search(line):
            line = f"timeout 1 {line}"
        said = installed.shell(line, user="root" if root else OPERATOR, check=False)
        fine = {"done": True, "nothing": said == ""}.get(expected, expected in said)
        if not fine:
            wrong.append((command, expected, said[-300:]))
    assert not wrong, "\n\n".join(map(str, wrong))
    assert len(rows()) > 40
