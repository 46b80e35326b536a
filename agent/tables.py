"""Box drawing: the table of what is held, and trees of lines."""

from collections.abc import Sequence

from agent.wording import money
from tools.core.trading import Position


def table(holdings: Sequence[Position]) -> list[str]:
    """One line per position, under a header."""
    rows = [
        ("Symbol", "Quantity", "Avg Price", "Market Value"),
        *(
            (one.symbol, f"{one.quantity}", money(one.average_entry_price), _value(one))
            for one in holdings
        ),
    ]
    least = (7, 8, 10, 12)
    widths = [
        max(minimum, *(len(cell) for cell in column))
        for minimum, column in zip(least, zip(*rows, strict=True), strict=True)
    ]
    bars = ["─" * (width + 2) for width in widths]
    header, *body = (
        "│" + "│".join(f" {cell:<{w}} " for cell, w in zip(row, widths, strict=True)) + "│"
        for row in rows
    )
    top, middle, bottom = (
        left + joint.join(bars) + right for left, joint, right in ("┌┬┐", "├┼┤", "└┴┘")
    )
    return [top, header, middle, *body, bottom]


def tree(items: Sequence[str]) -> list[str]:
    """`items`, at least one, as the branches of one heading."""
    return [*(f"   ├─ {item}" for item in items[:-1]), f"   └─ {items[-1]}"]


def _value(position: Position) -> str:
    return money(position.market_value_usd)
