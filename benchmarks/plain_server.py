"""The reference of `benchmarks.day`: one tool on the SDK's own server, nothing of ours in it."""

import sys

from mcp.server import MCPServer
from pydantic import BaseModel

server = MCPServer("plain", log_level="ERROR")


class Answer(BaseModel):
    """About as much as `get_market_clock` says."""

    now: str
    market_open: bool


@server.tool()
def get_market_clock() -> Answer:
    """The time."""
    return Answer(now="2025-11-05T09:30:00-05:00", market_open=True)


if __name__ == "__main__":
    server.run("streamable-http", port=int(sys.argv[1]), stateless_http=True, json_response=True)
