"""The lines of a record as a script: what was asked must be asked again, word for word."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tools.prompts.text import Prompt

SHOWN, BEFORE = 80, 25
"""Characters shown of a text that differs, and how many of them before the difference."""
END = "the end of the cycle"

type Entry = Mapping[str, Any]
type Found = tuple[str, str, str]


class Differs(Exception):
    """The day goes another way; the script keeps where."""


class RecordEnds(Exception):
    """The record ends in the middle of a cycle: a crash, or the trader was told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where the day goes another way: at which line of which cycle, and what of it."""

    cycle: int
    step: int
    where: str
    expected: str
    came: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The lines of one cycle; `ending` is None when it was not lived to its end."""

    mind: Entry
    prompt: Prompt
    beginning: Entry
    lines: Sequence[Entry]
    ending: Entry | None


@dataclass(slots=True)
class _Reading:
    """A record, read up to some line."""

    mind: Entry = field(default_factory=dict)
    prompts: dict[str, Prompt] = field(default_factory=dict)
    body: str = ""
    beginning: Entry | None = None
    lines: list[Entry] = field(default_factory=list)

    def scene(self, ending: Entry | None) -> Iterator[Scene]:
        """The cycle under way, if there is one; it is over then."""
        beginning, self.beginning = self.beginning, None
        if beginning:
            prompt = self.prompts[beginning["prompt"]]
            yield Scene(
                mind=self.mind,
                prompt=prompt,
                beginning=beginning,
                lines=self.lines,
                ending=ending,
            )


def scenes(record: Iterable[Entry]) -> Iterator[Scene]:
    """The cycles of a record in order; what was asked between them is left out."""
    reading = _Reading()
    for line in record:
        match line["what"]:
            case "mind":
                yield from reading.scene(None)
                reading = _Reading(mind=line)
            case "prompt":
                told = {name: line[name] for name in ("hash", "system", "cycle")}
                reading.prompts[line["hash"]] = Prompt(**told)
            case "cycle":
                yield from reading.scene(None)
                reading.beginning, reading.lines = line, []
            case "end":
                yield from reading.scene(line)
            case "request":
                reading.body = reading.body[: line["keep"]] + line["rest"]
                reading.lines.append({"what": "request", "body": reading.body})
            case _:
                reading.lines.append(line)
    yield from reading.scene(None)


class Script:
    """The lines of the cycle that is being lived again, taken one after the other."""

    def __init__(self) -> None:
        self._lines: Sequence[Entry] = ()
        self._next = self._cycle = 0
        self._whole = True
        self.difference: Difference | None = None
        self.specs: Sequence[Mapping[str, Any]] = ()
        self.model_calls = self.tool_calls = 0

    def begin(self, scene: Scene) -> None:
        """Go on with another cycle."""
        self._lines, self._next = scene.lines, 0
        self._cycle, self._whole = scene.beginning["number"], scene.ending is not None

    def sees(self, what: str) -> bool:
        """Whether the next line is a `what`."""
        return self._next < len(self._lines) and self._lines[self._next]["what"] == what

    def take(self, what: str, came: str = "") -> Entry:
        """The next line, which must be a `what`. Raises Differs and RecordEnds."""
        if self.difference:
            raise Differs
        if self._next == len(self._lines):
            if self._whole:
                self._differ("what comes next", END, short(f"{what} {came}"))
            raise RecordEnds
        line = self._lines[self._next]
        self._next += 1
        if line["what"] != what:
            self._differ("what comes next", short(_told(line)), short(f"{what} {came}"))
        return line

    def compare(self, where: str, expected: object, came: object) -> None:
        """Raises Differs at the first place where two JSON values are not the same."""
        if found := first_difference(expected, came, where):
            self._differ(*found)

    def finish(self, error: str | None) -> None:
        """The agent has done all it does in this cycle. Raises Differs when more was recorded."""
        if self.difference:
            raise Differs
        if self._whole and self._next < len(self._lines):
            self._next += 1
            came = f"{END}: {error}" if error else END
            self._differ("what comes next", short(_told(self._lines[self._next - 1])), came)

    def _differ(self, where: str, expected: str, came: str) -> NoReturn:
        self.difference = Difference(
            cycle=self._cycle, step=self._next, where=where, expected=expected, came=came
        )
        raise Differs


def first_difference(expected: object, came: object, where: str) -> Found | None:
    """Where two JSON values differ first, and what is there in each; None when they do not."""
    if expected == came:
        return None
    if isinstance(expected, str) and isinstance(came, str):
        return _texts(expected, came, where)
    if isinstance(expected, Mapping) and isinstance(came, Mapping):
        for name in dict.fromkeys((*expected, *came)):
            if name not in expected or name not in came:
                there = [short(one[name]) if name in one else "nothing" for one in (expected, came)]
                return f"{where}.{name}", there[0], there[1]
            if found := first_difference(expected[name], came[name], f"{where}.{name}"):
                return found
    if isinstance(expected, list) and isinstance(came, list):
        for number, (one, other) in enumerate(zip(expected, came, strict=False)):
            if found := first_difference(one, other, f"{where}[{number}]"):
                return found
        return f"length of {where}", str(len(expected)), str(len(came))
    return where, short(expected), short(came)


def short(value: object) -> str:
    """A value in one line, cut."""
    text = str(value).replace("\n", "\\n")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _texts(expected: str, came: str, where: str) -> Found:
    pairs = enumerate(zip(expected, came, strict=False))
    shorter = min(len(expected), len(came))
    at = next((number for number, (one, other) in pairs if one != other), shorter)
    begin = max(0, at - BEFORE)
    lead = "..." if begin else ""
    shown = [f"{lead}{short(text[begin:])}" for text in (expected, came)]
    return f"{where}, character {at}", shown[0], shown[1]


def _told(line: Entry) -> str:
    rest = " ".join(str(value) for name, value in line.items() if name != "what")
    return f"{line['what']} {rest}"
