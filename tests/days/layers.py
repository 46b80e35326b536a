"""Who flattens, and who could have."""

from dataclasses import dataclass, field, replace

LAYERS = ("trader", "monitor", "unit")


@dataclass(frozen=True, slots=True)
class Layers:
    """Who flattens: the trader at F, the monitor at F + 60 s, the unit at F + 120 s.

    `sabotaged`: nobody does, and the oracle is not told.
    """

    trader: bool = True
    monitor: bool = True
    unit: bool = True
    sabotaged: bool = False

    def without(self, *names: str) -> "Layers":
        """The same but those."""
        left = {name: getattr(self, name) and name not in names for name in LAYERS}
        return replace(self, **left)

    def works(self, name: str) -> bool:
        """That layer does its duty."""
        return not self.sabotaged and bool(getattr(self, name))


@dataclass
class Chances:
    """Second by second after F, which layer could have sold everything."""

    seconds: dict[str, list[bool]] = field(default_factory=lambda: {name: [] for name in LAYERS})

    def sellable(self) -> bool:
        """Some layer had sixty seconds in a row."""
        return any("1" * 60 in _marks(seconds) for seconds in self.seconds.values())


def _marks(seconds: list[bool]) -> str:
    return "".join("1" if one else "0" for one in seconds)
