"""One day at the exchange that asks for everything there is to ask for."""

from datetime import date
from decimal import Decimal
from typing import Any

import requests

from tests.contract.exchange import Exchange
from tests.tapes import HandTape, Stage, flat
from tools.simulation.corporate import CorporateAction

DAY = 86_400
ARTICLE = {
    "id": 1,
    "headline": "SPY stands still",
    "author": "Nobody",
    "created_at": "2013-10-07T12:00:00Z",
    "updated_at": "2013-10-07T12:00:00Z",
    "summary": "Nothing happened.",
    "content": "<p>It does not move.</p>",
    "url": "https://example.com/1",
    "images": [],
    "symbols": ["SPY"],
    "source": "nowhere",
}
ACTIONS = (
    CorporateAction(ex_date=date(2013, 10, 4), symbol="SPY", new=2, old=1),
    CorporateAction(ex_date=date(2013, 10, 4), symbol="IBM", new=1, old=5),
    CorporateAction(ex_date=date(2013, 10, 7), symbol="SPY", cash=Decimal("0.5")),
)
SINCE = "start=2013-10-01"


def a_stage() -> Stage:
    """Two symbols that trade on Friday and on Monday, with something of every kind."""
    minutes = {}
    for symbol, price, before in (("SPY", 100.0, 99.0), ("IBM", 50.0, 51.0)):
        friday = [c._replace(start=c.start - 3 * DAY) for c in flat(before)]
        minutes[symbol] = friday + flat(price)
    return Stage(HandTape(minutes), actions=ACTIONS).at("10:00")


class Tour:
    """Asks, and keeps each answer with the method and path that was asked for."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.answers: list[tuple[str, str, requests.Response]] = []

    def ask(self, verb: str, path: str, **given: Any) -> Any:
        """One request; its JSON, if there is any."""
        answer = self._exchange.ask(path, verb, **given)
        self.answers.append((verb, path.partition("?")[0], answer))
        is_json = answer.headers.get("content-type") == "application/json"
        return answer.json() if is_json and answer.content else None

    def whole(self, stage: Stage) -> None:
        """All of it."""
        self.orders(stage)
        self.account()
        self.watchlists()
        self.data()
        self.elsewhere()

    def orders(self, stage: Stage) -> None:
        """A bracket that fills, an order that rests, is replaced, found and canceled."""
        order = {"symbol": "SPY", "side": "buy", "qty": "10", "time_in_force": "day"}
        legs = {"take_profit": {"limit_price": "110"}, "stop_loss": {"stop_price": "90"}}
        filled = self.ask(
            "POST", "/v2/orders", json=order | legs | {"type": "market", "order_class": "bracket"}
        )
        limit = order | {"symbol": "IBM", "type": "limit", "limit_price": "40"}
        resting = self.ask("POST", "/v2/orders", json=limit | {"client_order_id": "mine"})
        self.ask("POST", "/v2/orders", json=order | {"type": "market", "qty": "100000"})
        self.ask("POST", "/v2/orders", json=order | {"type": "limit"})
        self.ask("GET", "/v2/orders?status=all&nested=true")
        self.ask("GET", "/v2/orders?status=all")
        self.ask("GET", f"/v2/orders/{filled['id']}?nested=true")
        self.ask("GET", "/v2/orders:by_client_order_id?client_order_id=mine")
        stage.at("10:02")
        changed = self.ask("PATCH", f"/v2/orders/{resting['id']}", json={"limit_price": "41"})
        self.ask("GET", "/v2/positions")
        self.ask("GET", "/v2/positions/SPY")
        self.ask("DELETE", f"/v2/orders/{changed['id']}")
        self.ask("DELETE", f"/v2/orders/{filled['id']}")
        self.ask("POST", "/v2/orders", json=limit)
        self.ask("DELETE", "/v2/orders")
        self.ask("DELETE", "/v2/positions/SPY?qty=1")
        self.ask("DELETE", "/v2/positions?cancel_orders=true")
        self.ask("POST", "/v2/orders", json=order | {"type": "market"})

    def account(self) -> None:
        """What an account knows of itself, of time and of what may be traded."""
        for path in (
            *("", "/activities", "/activities/FILL", "/configurations"),
            "/portfolio/history?period=1D&timeframe=5Min",
        ):
            self.ask("GET", f"/v2/account{path}")
        self.ask("PATCH", "/v2/account/configurations", json={"trade_confirm_email": "none"})
        for path in (
            *("clock", "assets", "assets/SPY", "assets/ZZZZ"),
            "calendar?start=2013-10-03&end=2013-10-10",
        ):
            self.ask("GET", f"/v2/{path}")
        self.ask("GET", "/v3/clock?markets=NYSE")
        self.ask("GET", "/v3/calendar/NYSE?start=2013-10-03&end=2013-10-10")
        path = "/v2/corporate_actions/announcements"
        announced = self.ask(
            "GET", f"{path}?ca_types=dividend,split&since=2013-10-01&until=2013-10-31"
        )
        self.ask("GET", f"{path}/{announced[0]['id']}")

    def watchlists(self) -> None:
        """Every way to a watchlist."""
        base = "/v2/watchlists"
        made = self.ask("POST", base, json={"name": "a", "symbols": ["SPY"]})
        self.ask("GET", base)
        one = f"{base}/{made['id']}"
        self.ask("GET", one)
        self.ask("POST", one, json={"symbol": "IBM"})
        self.ask("DELETE", f"{one}/IBM")
        self.ask("PUT", one, json={"name": "b", "symbols": ["IBM"]})
        named = f"{base}:by_name?name=b"
        self.ask("GET", named)
        self.ask("POST", named, json={"symbol": "SPY"})
        self.ask("PUT", named, json={"name": "b", "symbols": ["IBM"]})
        self.ask("DELETE", named)
        again = self.ask("POST", base, json={"name": "c", "symbols": ["SPY"]})
        self.ask("DELETE", f"{base}/{again['id']}")

    def data(self) -> None:
        """Everything about stocks."""
        for kind in ("bars", "quotes", "trades", "auctions"):
            ask = f"{SINCE}&limit=500&timeframe=5Min"
            self.ask("GET", f"/v2/stocks/{kind}?symbols=SPY,IBM&{ask}")
            self.ask("GET", f"/v2/stocks/SPY/{kind}?{ask}")
        for kind in ("bars", "quotes", "trades"):
            self.ask("GET", f"/v2/stocks/{kind}/latest?symbols=SPY,IBM")
            self.ask("GET", f"/v2/stocks/SPY/{kind}/latest")
        self.ask("GET", "/v2/stocks/snapshots?symbols=SPY,IBM")
        self.ask("GET", "/v2/stocks/SPY/snapshot")
        self.ask("GET", "/v2/stocks/meta/exchanges")
        self.ask("GET", "/v2/stocks/meta/conditions/trade?tape=A")
        self.ask("GET", "/v1beta1/screener/stocks/most-actives")
        self.ask("GET", "/v1beta1/screener/stocks/movers")
        self.ask("GET", "/v1beta1/screener/crypto/movers")
        self.ask("GET", f"/v1/corporate-actions?{SINCE}")
        self.ask("GET", "/v1beta1/news?include_content=true")
        self.ask("GET", "/v2/stocks/bars?symbols=SPY&timeframe=2Week")

    def elsewhere(self) -> None:
        """What is not there to be traded."""
        for path in (
            *(f"{kind}?symbols=BTC/USD" for kind in ("bars", "quotes", "trades", "snapshots")),
            *(f"latest/{kind}?symbols=BTC/USD" for kind in ("bars", "orderbooks", "quotes")),
            "latest/trades?symbols=BTC/USD",
        ):
            self.ask("GET", f"/v1beta3/crypto/us/{path}")
        for path in (
            *("options/bars", "options/trades", "options/quotes/latest", "options/trades/latest"),
            *("options/snapshots", "options/snapshots/SPY", "options/meta/exchanges"),
            *("options/meta/conditions/trade", "forex/latest/rates", "forex/rates"),
            *("fixed_income/latest/prices", "fixed_income/latest/quotes", "logos/SPY"),
            "events/corporate-actions",
        ):
            self.ask("GET", f"/v1beta1/{path}")
        self.ask("GET", "/v2beta1/events/activities")
