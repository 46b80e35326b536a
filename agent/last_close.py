"""Who closed the last session, told to the log when it was not this trader."""

import logging
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from agent.narrator import Narrator
from agent.server_routes import ServerRoutes
from agent.wording import money, stamp
from tools.core.errors import Unavailable
from tools.core.session import Session
from tools.general_tools import atomic_write

logger = logging.getLogger(__name__)


class LastClose:
    """Remembers which session's close the log has, and asks the trade server for a later one."""

    def __init__(self, data_folder: Path, routes: ServerRoutes, narrator: Narrator) -> None:
        self._path = data_folder / "last_close.txt"
        self._routes, self._narrator = routes, narrator

    def told(self, session_on: date) -> None:
        """The log has that session's close."""
        try:
            atomic_write(self._path, f"{session_on}\n")
        except OSError as error:
            logger.error("%s: %s", self._path, error)  # then it is told twice

    async def tell(self, coming: Session, now: datetime) -> None:
        """Tell the log of a close that it does not have yet; `coming` is on, or comes next."""
        try:
            certificate = await self._routes.last_certificate()
        except Unavailable:
            return
        if certificate is None:
            return
        session_on = date.fromisoformat(certificate["session"])
        if session_on == coming.on and now < coming.flatten_at:
            return  # somebody flattened in mid-session: its end is still to come
        if str(session_on) <= self._last_told():
            return
        self._narrator.closed_by_others(
            session_on, who(certificate), exits(certificate), flat=certificate["flat"]
        )
        self.told(session_on)

    def _last_told(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""


def who(certificate: Mapping[str, Any]) -> str:
    """Who closed, or looked, and when; and what is left."""
    at = stamp(datetime.fromisoformat(certificate["at"]))
    verb = "closed" if certificate["occasion"] == "flatten" else "verified"
    words = f"{verb} by: {certificate['caller']}, {at}"
    reasons = "; ".join(certificate["why_not"])
    return f"{words}; NOT FLAT: {reasons}" if reasons else words


def exits(certificate: Mapping[str, Any]) -> list[str]:
    """One line for each order that closed something."""
    return [_exit(order) for order in certificate["exits"]]


def _exit(order: Mapping[str, Any]) -> str:
    price = f" @ {money(Decimal(order['price']))}" if order["price"] else ""
    at = f" at {stamp(datetime.fromisoformat(order['at']))}" if order["at"] else ""
    return f"{order['symbol']}: {order['side']} {order['quantity']}{price}{at} ({order['id']})"
