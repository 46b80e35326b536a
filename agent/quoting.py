"""Foreign text on its way into a log: one line, nothing invisible, no longer than agreed."""


def one_line(text: str, limit: int | None = None) -> str:
    """`text` with everything unprintable escaped, line ends included; cut to `limit` characters."""
    line = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    if limit is not None and len(line) > limit:
        return line[: limit - 1] + "…"
    return line
