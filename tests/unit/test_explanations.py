"""The gate ledger, written by the desk and read by `explain`."""

import json
import logging
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from console import explanations
from tests.builders import a_ticket, a_time
from tests.trading import TODAY, Bench, a_bench
from tools.journal.history import ledger_path
from tools.risk.caps import CAPS
from tools.risk.limits import RULES


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = a_bench(tmp_path)
    bench.room.monitor.look()
    return bench


def test_every_proposal_leaves_what_each_rule_found(bench: Bench) -> None:
    bench.room.desk.preview(a_ticket())
    bench.room.desk.submit(a_ticket())
    bench.room.desk.submit(a_ticket("IBM", confidence=0.1))
    preview, bought, refused = explanations.proposals(bench.home, None, None)
    assert [line["kind"] for line in (preview, bought, refused)] == ["preview", "order", "order"]
    assert bought["client_order_id"] == "AT-2013-10-07-1-E"
    names = {gate["rule"] for gate in bought["gates"]}
    assert names == {rule.__name__ for rule in (*RULES, *CAPS)} | {"var_rule"}
    confidence = next(g for g in refused["gates"] if g["rule"] == "confidence_rule")
    assert (confidence["gate"], confidence["measured"], confidence["limit"]) == (
        "denial",
        0.1,
        0.6,
    )
    assert confidence["key"] == "min_confidence"


def test_the_table_says_why(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket())
    bench.room.desk.submit(a_ticket("IBM", confidence=0.1))
    bench.room.desk.preview(a_ticket("AIG"))
    first, second, third = explanations.rows(explanations.proposals(bench.home, TODAY, None))
    assert (first["answer"], first["at"], first["quantity"]) == ("bought", "10:00:00", 100)
    assert first["why"] == "momentum; at most 10% of a minute's volume"
    assert second["answer"] == "refused"
    assert second["why"] == "confidence: 0.10, at least 0.60 (risk.min_confidence)"
    assert third["answer"] == "allowed"


def test_the_price_that_a_proposal_rests_on_is_shown(bench: Bench) -> None:
    told, at = Decimal("100.02"), a_time("09:59")
    bench.room.desk.submit(replace(a_ticket(), cited_price=told, cited_at=at))
    bench.room.desk.preview(a_ticket("AIG"))
    first, second = explanations.rows(explanations.proposals(bench.home, TODAY, None))
    assert (first["cited"], second["cited"]) == ("100.02 at 09:59:00", "")


def test_one_symbol_alone_with_every_rule(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket())
    bench.room.desk.submit(a_ticket("IBM", quantity="3"))
    (line,) = explanations.proposals(bench.home, TODAY, "IBM")
    table = explanations.gates(line)
    asked = next(row for row in table if row["rule"] == "asked_cap")
    assert (asked["measured"], asked["limit"]) == ("3", "3")
    assert explanations.proposals(bench.home, TODAY, "XYZ") == []


def test_a_day_without_a_ledger_has_nothing_to_explain(tmp_path: Path) -> None:
    assert explanations.proposals(tmp_path, None, None) == []
    assert explanations.proposals(tmp_path, TODAY, None) == []


def test_a_confidence_that_is_no_number_is_written_too(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket(confidence=float("nan")))
    text = ledger_path(bench.home, TODAY).read_text(encoding="utf-8")
    assert json.loads(text)["confidence"] == "nan"


def test_a_ledger_that_cannot_be_written_stops_no_order(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    (bench.home / "ledger").write_text("in the way", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert bench.room.desk.submit(a_ticket()).verdict.approved
    assert "gate ledger" in caplog.text
    assert bench.held()["SPY"] == Decimal(100)
