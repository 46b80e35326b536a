"""The thin thread through the house: an entry with its stop, and a flatten."""

from datetime import date
from pathlib import Path

import pytest

from tests.services.processes import trading_world

pytestmark = [pytest.mark.anyio, pytest.mark.services]

ENTRY = {
    "symbol": "AAPL",
    "confidence": 0.9,
    "reason": "a test's conviction",
    "decision_id": "D-2025-11-05-1-1",
}


async def test_an_entry_rests_with_its_stop_and_a_flatten_leaves_nothing(tmp_path: Path) -> None:
    async with trading_world(tmp_path, date(2025, 11, 5), at="11:00") as world:
        quote = await world.exchange("/v2/stocks/quotes/latest?symbols=AAPL")
        ask = float(quote["quotes"]["AAPL"]["ap"])
        prices = {"stop_price": round(ask * 0.98, 2), "target_price": round(ask * 1.04, 2)}

        placed = await world.tools.call("place_order", ENTRY | prices)
        await world.sleep(60)

        assert placed.data["approved"], placed.text
        (position,) = await world.exchange("/v2/positions")
        assert position["symbol"] == "AAPL"
        (entry,) = await world.exchange("/v2/orders?status=all&nested=true")
        resting = {leg["type"]: leg for leg in entry["legs"]}
        assert float(resting["stop"]["stop_price"]) == prices["stop_price"]
        assert float(resting["limit"]["limit_price"]) == prices["target_price"]
        assert resting["stop"]["qty"] == position["qty"]

        accepted = await world.desk("POST", "/flatten", {"reason": "a test"})
        assert accepted.status_code == 202
        report = None
        while report is None:
            await world.sleep(1)
            report = (await world.desk("GET", "/flatten")).json()["report"]

        assert report["flat"]
        assert report["closed_symbols"] == ["AAPL"]
        assert await world.exchange("/v2/positions") == []
        assert await world.exchange("/v2/orders?status=open") == []
