"""The embedded exchange on a real socket, with a market and a clock that a test sets."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import requests
import uvicorn
from alpaca.data.historical import ScreenerClient, StockHistoricalDataClient
from alpaca.trading.client import TradingClient
from starlette.types import ASGIApp, Receive, Scope, Send

from embedded.exchange.access import Access
from embedded.exchange.app import ANYBODY, create_app
from embedded.exchange.news_routes import Article
from tests.tapes import Stage
from tools.hosting import bind

HEADERS = {"APCA-API-KEY-ID": "any", "APCA-API-SECRET-KEY": "thing"}


@dataclass
class Exchange:
    """The server of a test module; `open` puts a new account on a new market behind it."""

    url: str
    app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app
        await self.app(scope, receive, send)

    def open(
        self, stage: Stage, access: Access = ANYBODY, news: Sequence[Article] = ()
    ) -> "Exchange":
        """Serve `stage` from now on."""
        self.app = create_app(stage.venue, lambda: stage.now, access=access, news=news)
        return self

    @property
    def trading(self) -> TradingClient:
        """An unmodified client; only the URL is ours."""
        return TradingClient("any", "thing", url_override=self.url)

    @property
    def data(self) -> StockHistoricalDataClient:
        """An unmodified client; only the URL is ours."""
        return StockHistoricalDataClient("any", "thing", url_override=self.url)

    @property
    def screener(self) -> ScreenerClient:
        """An unmodified client; only the URL is ours."""
        return ScreenerClient("any", "thing", url_override=self.url)

    def ask(self, path: str, verb: str = "GET", **given: object) -> requests.Response:
        """A plain request with a key."""
        call: dict[str, object] = {"headers": HEADERS, "timeout": 10} | given
        return requests.request(verb, self.url + path, **call)  # type: ignore[arg-type]


@contextmanager
def serving() -> Iterator[Exchange]:
    """A server in a thread of this process."""
    listener = asyncio.run(bind(0))
    exchange = Exchange(f"http://127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(exchange, lifespan="off", log_config=None, ws="websockets-sansio")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield exchange
    finally:
        server.should_exit = True
        thread.join()
