"""`python -m embedded`: the exchange and the model in one process, until SIGTERM.

Takes the exchange's options.
"""

import asyncio
import sys
from pathlib import Path

from embedded.exchange.__main__ import main, make_server
from embedded.exchange.options import Options
from embedded.model.app import create_app
from tools.hosting import bind, http_server, sd_notify

MODEL_PORT = 8007


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
    raise SystemExit(main(sys.argv[1:], _serve))
