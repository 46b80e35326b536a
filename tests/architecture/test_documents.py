"""What the papers promise is there."""

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from tests.architecture.source import ROOT
from tools.config_files import ConfigFile, DateRange, ModelConfig
from tools.core.alerts import AlertKind

PAPERS = [ROOT / "README.md", ROOT / "configs" / "README.md", *(ROOT / "docs").rglob("*.md")]
NESTED: dict[str, type[BaseModel]] = {"date_range": DateRange, "models": ModelConfig}
NESTED_PREFIX = {"date_range": "date_range.", "models": "models[]."}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def keys(section: type[BaseModel], prefix: str = "") -> dict[str, object]:
    """Every key of the configuration by its path, with its default."""
    found: dict[str, object] = {}
    for name, field in section.model_fields.items():
        path = prefix + name
        if path in NESTED:
            found |= keys(NESTED[path], NESTED_PREFIX[path])
        elif isinstance(field.default, BaseModel):
            found |= keys(type(field.default), f"{path}.")
        else:
            found[path] = field.default
    return found


def shown(default: object) -> str:
    """How the table shows a default."""
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    return f"`{json.dumps(default, default=float)}`"


def test_every_configuration_key_is_explained_with_its_default() -> None:
    rows = re.findall(r"^\| (`.+?) \| (.+?) \|", read("configs/README.md"), re.MULTILINE)
    table = {path: default for names, default in rows for path in re.findall(r"`(.+?)`", names)}
    expected = {path: shown(default) for path, default in keys(ConfigFile).items()}
    expected |= {"watchlist": "ten liquid names", "models": "required"}
    expected |= {path: "none" for path in expected if path.startswith("date_range.")}

    assert table == expected


def commands() -> str:
    """The source of every command."""
    families = sorted((ROOT / "console").glob("*_commands.py"))
    return "\n".join(
        one.read_text(encoding="utf-8") for one in (ROOT / "console/cli.py", *families)
    )


def test_every_command_that_the_papers_name_exists() -> None:
    text = "\n".join(paper.read_text(encoding="utf-8") for paper in PAPERS)
    script, cli = read("manage_services.sh"), commands()

    for verb in set(re.findall(r"manage_services\.sh (\w+)", text)):
        assert re.search(rf"^(.*\| )?{verb}( \|.*)?\)", script, re.MULTILINE), (
            f"manage_services.sh {verb}"
        )
    for command in set(re.findall(r"active_trader\.py (\w+)", text)):
        assert f"def {command}(" in cli, f"python active_trader.py {command}"
    for target in set(re.findall(r"`make (\w+)`", text)):
        assert f"\n{target}:" in read("Makefile"), f"make {target}"


def test_every_alert_has_its_runbook() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| .+ \| .+ \|$", read("docs/runbooks.md"), re.MULTILINE)
    assert rows == [kind.value for kind in AlertKind]


def test_every_option_that_the_papers_give_a_command_exists() -> None:
    text = "\n".join(paper.read_text(encoding="utf-8") for paper in PAPERS)
    cli, some = commands(), "simulate|trades|positions|pnl|explain|kill|reset|flatten"
    for line in re.findall(rf"active_trader\.py (?:{some})([^`\n|]*)", text):
        for option in re.findall(r"--(\w+)", line):
            named = f'"--{option}"' in cli or re.search(rf"\b{option}: ", cli)
            assert named, f"--{option}"


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_every_link_leads_to_a_file(paper: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", paper.read_text(encoding="utf-8"))
    assert [link for link in links if not (paper.parent / link).exists()] == []
