"""`python -m embedded.model --port 8007`: serves the rules until SIGTERM."""

import argparse
import asyncio
import sys
from pathlib import Path

from embedded.model.app import create_app
from embedded.model.rules import BANNER
from tools.hosting import PortTaken, bind, http_server


def main(arguments: list[str] | None = None) -> int:
    """0 after SIGTERM, 1 when the port is taken, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m embedded.model",
        description=f"A stand-in for a chat model ({BANNER}) behind an OpenAI-compatible endpoint.",
    )
    parser.add_argument(
        "--port", type=int, default=8007, help="on 127.0.0.1 (default 8007); 0 takes a free one"
    )
    parser.add_argument(
        "--record", type=Path, help="add every question to this file, one line each"
    )
    told = parser.parse_args(arguments)
    try:
        asyncio.run(_serve(told.port, told.record))
    except PortTaken as error:
        sys.stderr.write(f"embedded model: {error}\n")
        return 1
    return 0


async def _serve(port: int, record: Path | None) -> None:
    listener = await bind(port)
    host, taken = listener.getsockname()
    sys.stdout.write(f"embedded model ({BANNER}) on http://{host}:{taken}/v1\n")
    sys.stdout.flush()
    await http_server(create_app(record)).serve(sockets=[listener])


if __name__ == "__main__":
    raise SystemExit(main())
