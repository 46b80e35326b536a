"""`python -m tests.pin_tools` prints the hash that belongs into agent/base_agent/tool_pins.py."""

import asyncio

from agent.base_agent.tool_pins import fingerprint
from agent_tools._catalog import Server
from tests.unit.test_catalog import offered


async def current() -> str:
    """The hash of all twenty tools as both servers offer them."""
    return fingerprint([tool for which in Server for tool in await offered(which)])


if __name__ == "__main__":
    print(asyncio.run(current()))
