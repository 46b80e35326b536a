"""How a rule says what it found: a number against its limit, and the key that sets the limit."""

from decimal import Decimal

from tools.core.safety import DenialReason, Finding, Gate, Measure


def passed(reason: DenialReason, measured: Measure = None, limit: Measure = None) -> Finding:
    """Nothing against it."""
    return Finding(Gate.PASS, reason, measured, limit)


def denied(reason: DenialReason, message: str, measured: Measure = None) -> Finding:
    """A no that is not about a number."""
    return Finding(Gate.DENIAL, reason, measured, None, "", message)


def unknown(reason: DenialReason, message: str) -> Finding:
    """Not judged."""
    return Finding(Gate.UNKNOWN, reason, None, None, "", message)


def at_most[N: (Decimal, int, float)](
    reason: DenialReason, measured: N, limit: N, key: str, words: str
) -> Finding:
    """Passes up to `limit`, inclusive."""
    if measured <= limit:
        return Finding(Gate.PASS, reason, measured, limit, key)
    message = f"{words}: {shown(measured, key)}, at most {shown(limit, key)} (risk.{key})"
    return Finding(Gate.DENIAL, reason, measured, limit, key, message)


def at_least[N: (Decimal, int, float)](
    reason: DenialReason, measured: N, limit: N, key: str, words: str
) -> Finding:
    """Passes from `limit` on, inclusive."""
    if measured >= limit:
        return Finding(Gate.PASS, reason, measured, limit, key)
    message = f"{words}: {shown(measured, key)}, at least {shown(limit, key)} (risk.{key})"
    return Finding(Gate.DENIAL, reason, measured, limit, key, message)


def shown(number: Decimal | float, key: str) -> str:
    """A number with the unit that its key names."""
    if key.endswith("_fraction"):
        return f"{number:.2%}"
    if key.endswith("_seconds"):
        return f"{number:.0f} s"
    if key.endswith("_usd"):
        return f"{number:,.2f} USD"
    return f"{number}" if isinstance(number, int) else f"{number:.2f}"
