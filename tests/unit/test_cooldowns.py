"""Symbols that are left alone for a while, and no longer."""

from datetime import timedelta

from agent.base_agent.tickets import Outcome
from agent.cooldowns import Cooldowns
from tests.builders import a_time
from tools.core.safety import Denial, DenialReason

NOON, MINUTE = a_time("12:00"), timedelta(minutes=1)


def refusal(symbol: str, reason: DenialReason = DenialReason.STOP) -> Outcome:
    denial = Denial(reason=reason, message="too far")
    return Outcome(decision_id="D", symbol=symbol, approved=False, denials=(denial,))


def test_a_symbol_is_left_out_after_three_failures_in_a_row_for_a_quarter_of_an_hour() -> None:
    cooldowns = Cooldowns()
    for _ in range(2):
        cooldowns.analysed((), ["SPY", "QQQ"], NOON)
    cooldowns.analysed(["QQQ"], ["SPY"], NOON)
    cooldowns.analysed((), ["QQQ"], NOON)
    assert cooldowns.left_out(NOON) == {
        "SPY": "its analysis failed; left out until Mon 12:15 ET",
    }
    assert cooldowns.left_out(NOON + 15 * MINUTE) == {}


def test_a_refused_entry_is_not_proposed_again_for_a_quarter_of_an_hour() -> None:
    cooldowns = Cooldowns()
    cooldowns.ruled([refusal("SPY")], NOON)
    assert cooldowns.refused(NOON + 14 * MINUTE) == {
        "SPY": "refused (too far); not again before Mon 12:15 ET",
    }
    assert cooldowns.refused(NOON + 15 * MINUTE) == {}


def test_a_refusal_that_says_nothing_of_the_symbol_is_not_held_against_it() -> None:
    cooldowns = Cooldowns()
    cooldowns.ruled([refusal("SPY", DenialReason.POSITIONS)], NOON)
    assert cooldowns.refused(NOON) == {}


def test_what_was_adjusted_and_approved_in_the_same_cycle_is_not_held_against_it() -> None:
    cooldowns = Cooldowns()
    approved = Outcome(decision_id="D", symbol="SPY", approved=True)
    cooldowns.ruled([refusal("SPY"), approved], NOON)
    assert cooldowns.refused(NOON) == {}
