"""The second step of a reset."""

from tools.safety.reset_codes import LIFETIME_SECONDS, MOST_WRONG, ResetCodes


class Seconds:
    """A clock that a test turns."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_code_is_right_once_in_either_case() -> None:
    codes = ResetCodes()
    code = codes.issue()
    assert codes.redeem(f" {code.lower()}\n") == ""
    assert "ask for one" in codes.redeem(code)


def test_without_one_nothing_is_right_the_empty_text_least() -> None:
    assert "ask for one" in ResetCodes().redeem("")


def test_a_code_expires_after_five_minutes() -> None:
    seconds = Seconds()
    codes = ResetCodes(seconds)
    early = codes.issue()
    seconds.now += LIFETIME_SECONDS - 0.001
    assert codes.redeem(early) == ""
    late = codes.issue()
    seconds.now += LIFETIME_SECONDS
    assert "expired" in codes.redeem(late)


def test_a_new_code_ends_the_old_one() -> None:
    codes = ResetCodes()
    old, new = codes.issue(), codes.issue()
    assert "1 of 5" in codes.redeem(old)
    assert codes.redeem(new) == ""


def test_the_fifth_wrong_code_ends_the_right_one_and_counts_start_afresh() -> None:
    codes = ResetCodes()
    code = codes.issue()
    answers = [codes.redeem("wrong") for _ in range(MOST_WRONG)]
    assert ["ask for a new one" in answer for answer in answers] == [False] * 4 + [True]
    assert "ask for one" in codes.redeem(code)
    assert codes.redeem(codes.issue()) == ""


def test_codes_differ() -> None:
    codes = ResetCodes()
    assert len({codes.issue() for _ in range(200)}) == 200
