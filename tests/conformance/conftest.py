"""Alpaca's specs and MCP server, as `tests/conformance/setup` installs them."""

import os
from pathlib import Path

import pytest

from tests.conformance.specs import Spec

ROOT = Path(__file__).resolve().parents[2]
VENV = Path(os.environ.get("ALPACA_MCP_VENV", ROOT / ".venv-alpaca-mcp"))


@pytest.fixture(scope="session")
def alpaca_mcp() -> Path:
    """The virtual environment of Alpaca's MCP server."""
    if not (VENV / "installed").is_file():
        pytest.skip(f"NOT CHECKED against Alpaca's specs: run tests/conformance/setup ({VENV})")
    return VENV


@pytest.fixture(scope="session")
def specs(alpaca_mcp: Path) -> list[Spec]:
    """Both of Alpaca's specs: trading, market data."""
    [folder] = alpaca_mcp.glob("lib/python3*/site-packages/alpaca_mcp_server/specs")
    return [Spec.read(folder / f"{name}.json") for name in ("trading-api", "market-data-api")]
