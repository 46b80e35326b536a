"""The log has every close, also those that this trader had no part in."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.last_close import LastClose
from agent.narrator import Narrator
from tests.builders import a_session, a_time
from tests.doubles import FakeRoutes, some_options

pytestmark = pytest.mark.anyio
TITLE = "END OF DAY POSITION CLOSE"


def a_certificate(session: str = "2013-10-04", *, flat: bool = True) -> dict[str, Any]:
    return {
        "session": session,
        "at": f"{session}T19:56:03+00:00",
        "occasion": "flatten",
        "caller": "monitor",
        "flat": flat,
        "why_not": [] if flat else ["10 SPY held"],
        "exits": [
            {
                "id": "flat-2013-10-04-IBM-1",
                "symbol": "IBM",
                "side": "sell",
                "quantity": "10",
                "price": "99.5",
                "at": f"{session}T19:56:01+00:00",
            }
        ],
    }


@pytest.fixture
def routes() -> FakeRoutes:
    return FakeRoutes()


@pytest.fixture
def last(tmp_path: Path, routes: FakeRoutes) -> LastClose:
    return LastClose(tmp_path, routes, Narrator(some_options(tmp_path)))


async def test_who_closed_what_and_when_is_told_once(
    last: LastClose, routes: FakeRoutes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    routes.certificate = a_certificate()
    for _ in range(2):
        await last.tell(a_session(), a_time("09:00"))
    (block,) = [record.getMessage() for record in caplog.records]
    assert TITLE in block
    assert "closed by: monitor, 2013-10-04 15:56:03 ET" in block
    assert "IBM: sell 10 @ $99.50 at 2013-10-04 15:56:01 ET (Friday)" in block
    assert "flat-2013-10-04-IBM-1" in block
    assert "Status: FLAT" in block


async def test_not_flat_says_why(
    last: LastClose, routes: FakeRoutes, caplog: pytest.LogCaptureFixture
) -> None:
    routes.certificate = a_certificate(flat=False)
    await last.tell(a_session(), a_time("09:00"))
    assert "NOT FLAT: 10 SPY held" in caplog.text
    assert caplog.records[0].levelname == "ERROR"


async def test_what_the_trader_told_itself_is_not_told_again(
    last: LastClose, routes: FakeRoutes, caplog: pytest.LogCaptureFixture
) -> None:
    last.told(date(2013, 10, 4))
    routes.certificate = a_certificate()
    await last.tell(a_session(), a_time("09:00"))
    assert TITLE not in caplog.text


async def test_a_flatten_in_mid_session_is_not_its_end(
    last: LastClose, routes: FakeRoutes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    routes.certificate = a_certificate("2013-10-07")
    await last.tell(a_session(), a_time("11:00"))
    assert TITLE not in caplog.text
    await last.tell(a_session(), a_time("15:57"))
    assert TITLE in caplog.text


async def test_without_a_certificate_nothing_is_told(
    last: LastClose, caplog: pytest.LogCaptureFixture
) -> None:
    await last.tell(a_session(), a_time("09:00") + timedelta(days=1))
    assert TITLE not in caplog.text
