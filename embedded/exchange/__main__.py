"""`python -m embedded.exchange`: serve one account over one tape until a signal comes."""

import asyncio
import logging
import socket
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from embedded.exchange.options import Options, read_options
from embedded.exchange.world import make_world
from tools.core.errors import ConfigError
from tools.hosting import PortTaken, QuietServer, bind, http_server, log_to, sd_notify
from tools.schedule.market_hours import new_york

CONFIGURATION_ERROR = 78

logger = logging.getLogger("embedded.exchange")


type Serve = Callable[[Options, Path], Coroutine[None, None, None]]


def main(arguments: Sequence[str], serve: Serve) -> int:
    """Serve. 0 after a signal, 78 when the configuration cannot work, 1 when a port is taken."""
    options = read_options(arguments)
    log_to(level="INFO")
    try:
        with tempfile.TemporaryDirectory(prefix="active-trader-") as folder:
            asyncio.run(serve(options, Path(folder) / "time"))
    except ConfigError as error:
        sys.stderr.write(f"configuration error: {error}\n")
        return CONFIGURATION_ERROR
    except PortTaken as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def serve(options: Options, page: Path) -> None:
    """Build the world and serve it; `page` shows simulated time unless an option names another."""
    server, listener = await make_server(options, page)
    sd_notify("READY=1")
    await server.serve(sockets=[listener])


async def make_server(options: Options, page: Path) -> tuple[QuietServer, socket.socket]:
    """The world's server and where it listens: a request waits there until it is served."""
    world = await make_world(options, page)
    listener = await bind(options.port)
    server = http_server(world.app, ws="websockets-sansio")
    if world.keeper:
        world.keeper.start()
    logger.info(
        "embedded exchange: a simulation, not a broker, no order leaves this machine: "
        "%s on http://127.0.0.1:%d, %s time %s New York",
        ",".join(world.market.symbols),
        listener.getsockname()[1],
        "simulated" if world.keeper else "real",
        f"{new_york(world.clock()):%Y-%m-%d %H:%M}",
    )
    return server, listener


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], serve))
