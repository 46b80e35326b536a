"""`python -m embedded`: the exchange and the model in one process, until SIGTERM.

Takes the exchange's options.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from embedded.exchange.__main__ import CONFIGURATION_ERROR, make_server
from embedded.exchange.options import Options, read_options
from embedded.model.app import create_app
from tools.core.errors import ConfigError
from tools.hosting import PortTaken, bind, http_server, log_to, sd_notify

MODEL_PORT = 8007


def main(arguments: Sequence[str]) -> int:
    """0 after a signal, 78 when the configuration cannot work, 1 when a port is taken."""
    options = read_options(arguments)
    log_to(level="INFO")
    try:
        with tempfile.TemporaryDirectory(prefix="active-trader-") as folder:
            asyncio.run(_serve(options, Path(folder) / "time"))
    except ConfigError as error:
        sys.stderr.write(f"configuration error: {error}\n")
        return CONFIGURATION_ERROR
    except PortTaken as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _serve(options: Options, page: Path) -> None:
    """Both, until one has ended; a signal reaches the one that was started last."""
    exchange, exchange_socket = await make_server(options, page)
    model, model_socket = http_server(create_app()), await bind(MODEL_PORT)
    sd_notify("READY=1", "STATUS=a simulation: no order leaves this machine")
    lives = [
        asyncio.create_task(exchange.serve(sockets=[exchange_socket])),
        asyncio.create_task(model.serve(sockets=[model_socket])),
    ]
    await asyncio.wait(lives, return_when=asyncio.FIRST_COMPLETED)
    exchange.should_exit = model.should_exit = True
    await asyncio.gather(*lives)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
