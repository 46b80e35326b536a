"""Corporate actions and news, as files gave them to the exchange. Nothing lies after now."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from embedded.exchange import queries
from embedded.exchange.queries import Query, bad_request
from tools.core.errors import ConfigError
from tools.schedule.market_hours import new_york
from tools.simulation.corporate import CorporateAction
from tools.simulation.refusals import not_found

type Article = Mapping[str, Any]

UNKNOWN_CUSIP = "000000000"
LONGEST_RANGE = timedelta(days=90)
ARTICLE_KEYS = {"author", "content", "created_at", "headline", "id", "images", "source"} | {
    *("summary", "symbols", "updated_at", "url"),
}
_NAMESPACE = uuid.UUID("0b5c0a0e-7a83-4c0e-9d39-1c8f6c1f0a52")


def read_news(path: Path) -> tuple[Article, ...]:
    """The articles of a JSON file, a list of what `GET /v1beta1/news` answers. By time.

    Raises ConfigError.
    """
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))
        for article in articles:
            if missing := ARTICLE_KEYS - {*article}:
                raise ValueError(f"an article without {', '.join(sorted(missing))}")
        return tuple(sorted(articles, key=_published))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}: cannot read the news: {error}") from None


class NewsRoutes:
    """The handlers."""

    def __init__(
        self,
        actions: Sequence[CorporateAction],
        news: Sequence[Article],
        now: Callable[[], datetime],
    ) -> None:
        self._actions, self._news, self._now = actions, news, now

    def routes(self) -> list[BaseRoute]:
        """Every path that is served here."""
        announcements = "/v2/corporate_actions/announcements"
        return [
            Route("/v1/corporate-actions", self.corporate_actions),
            Route(announcements, self.announcements),
            Route(f"{announcements}/{{id}}", self.announcement),
            Route("/v1beta1/news", self.news),
        ]

    async def corporate_actions(self, request: Request) -> Response:
        """GET /v1/corporate-actions: from `start` to `end` (both inclusive), by default today."""
        query, today = request.query_params, new_york(self._now()).date()
        start = queries.day(query, "start") or today
        end = queries.day(query, "end") or today
        if end < start:
            raise bad_request("end should not be before start")
        limit = queries.whole(query, "limit", 100, most=1000)
        symbols, types = queries.names(query), queries.names(query, "types")
        ids, cusips = queries.names(query, "ids"), queries.names(query, "cusips")
        backwards = queries.one_of(query, "sort", ("asc", "desc")) == "desc"
        rows = [
            (name, action)
            for action in self._known(start, end)
            for name in (_kind(action),)
            if (not symbols or action.symbol in symbols)
            and (not types or name in types)
            and (not ids or _id(action) in ids)
            and not cusips
        ]
        rows, token = _cut(rows[::-1] if backwards else rows, query, limit)
        found: dict[str, list[dict[str, Any]]] = {}
        for name, action in rows:
            found.setdefault(f"{name}s", []).append(_action(action))
        return JSONResponse({"corporate_actions": found, "next_page_token": token})

    async def announcements(self, request: Request) -> Response:
        """GET /v2/corporate_actions/announcements: at most 90 days, by ex-date."""
        query = request.query_params
        types = [name.lower() for name in queries.names(query, "ca_types")]
        since, until = queries.day(query, "since"), queries.day(query, "until")
        if not types or since is None or until is None:
            raise bad_request("ca_types, since and until are required")
        if not timedelta(0) <= until - since <= LONGEST_RANGE:
            raise bad_request("the date range is limited to 90 days")
        symbol = query.get("symbol", "")
        rows = [
            _announcement(action)
            for action in self._known(since, until)
            if ("split" if action.splits else "dividend") in types
            and symbol in {"", action.symbol}
            and not query.get("cusip")
        ]
        return JSONResponse(rows)

    async def announcement(self, request: Request) -> Response:
        """GET /v2/corporate_actions/announcements/{id}."""
        name = request.path_params["id"]
        for action in self._known(date.min, date.max):
            if _id(action) == name:
                return JSONResponse(_announcement(action))
        raise not_found(f"announcement not found for {name}")

    async def news(self, request: Request) -> Response:
        """GET /v1beta1/news, latest first."""
        query, now = request.query_params, self._now()
        start, end = queries.instant(query, "start"), queries.instant(query, "end")
        limit = queries.whole(query, "limit", 10, most=50)
        symbols = {*queries.names(query)}
        found = [
            it if queries.flag(query, "include_content") else {**it, "content": ""}
            for it in self._news
            if _published(it) <= min(now, end or now)
            and (start is None or start <= _published(it))
            and (not symbols or symbols & {*it["symbols"]})
            and (it["content"] or not queries.flag(query, "exclude_contentless"))
        ]
        if queries.one_of(query, "sort", ("desc", "asc")) == "desc":
            found.reverse()
        rows, token = _cut(found, query, limit)
        return JSONResponse({"news": rows, "next_page_token": token})

    def _known(self, start: date, end: date) -> Iterable[CorporateAction]:
        """Those that go ex in [start, end] and by today: what is to come is not told."""
        last = min(end, new_york(self._now()).date())
        return [action for action in self._actions if start <= action.ex_date <= last]


def _cut[Row](rows: list[Row], query: Query, limit: int) -> tuple[list[Row], str | None]:
    """One page; its token is the number of rows before the next."""
    token = query.get("page_token", "0")
    if not token.isdecimal():
        raise bad_request(f"invalid page_token: {token}")
    begin, end = int(token), int(token) + limit
    return rows[begin:end], str(end) if len(rows) > end else None


def _published(article: Article) -> datetime:
    return datetime.fromisoformat(article["created_at"])


def _kind(action: CorporateAction) -> str:
    if not action.splits:
        return "cash_dividend"
    return "forward_split" if action.new > action.old else "reverse_split"


def _id(action: CorporateAction) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{action.ex_date}/{action.symbol}/{action.splits}"))


def _action(action: CorporateAction) -> dict[str, Any]:
    day = action.ex_date.isoformat()
    found = {"id": _id(action), "symbol": action.symbol, "ex_date": day, "process_date": day}
    match _kind(action):
        case "cash_dividend":
            more: dict[str, Any] = {"rate": float(action.cash), "special": False, "foreign": False}
            more["cusip"] = UNKNOWN_CUSIP
        case "forward_split":
            more = {"new_rate": action.new, "old_rate": action.old, "cusip": UNKNOWN_CUSIP}
        case _:
            more = {"new_rate": action.new, "old_rate": action.old}
            more |= {"old_cusip": UNKNOWN_CUSIP, "new_cusip": UNKNOWN_CUSIP}
    return found | more


def _announcement(action: CorporateAction) -> dict[str, Any]:
    day = action.ex_date.isoformat()
    kind = {"cash_dividend": "cash", "forward_split": "stock_split"}.get(_kind(action))
    return {
        "id": _id(action),
        "corporate_action_id": f"{UNKNOWN_CUSIP}_{day}",
        "ca_type": "Split" if action.splits else "Dividend",
        "ca_sub_type": kind or "reverse_split",
        "initiating_symbol": action.symbol,
        "initiating_original_cusip": UNKNOWN_CUSIP,
        "target_symbol": action.symbol,
        "target_original_cusip": UNKNOWN_CUSIP,
        "declaration_date": day,
        "ex_date": day,
        "record_date": day,
        "payable_date": day,
        "cash": f"{action.cash:f}",
        "old_rate": str(action.old),
        "new_rate": str(action.new),
    }
