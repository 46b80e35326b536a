"""Every answer of the exchange against Alpaca's own OpenAPI documents, version 2.4.0."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conformance.specs import Spec
from tests.conformance.tour import ARTICLE, Tour, a_stage
from tests.contract.exchange import Exchange, serving

PAPER = Path(__file__).resolve().parents[2] / "docs" / "exchange.md"
STRANGERS = re.compile(r"options|crypto|forex|fixed_income|locates|tokenization|wallets|logos|exer")


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def tour(exchange: Exchange) -> Tour:
    stage = a_stage()
    exchange.open(stage, news=[ARTICLE])
    made = Tour(exchange)
    made.whole(stage)
    return made


def answered(tour: Tour, specs: list[Spec]) -> dict[str, list[requests.Response]]:
    """By operation, what the tour was answered."""
    found: dict[str, list[requests.Response]] = {}
    for verb, path, answer in tour.answers:
        names = [name for spec in specs if (name := spec.operation(verb, path))]
        assert names, f"{verb} {path} is no operation of Alpaca's"
        found.setdefault(names[0], []).append(answer)
    return found


def test_answers_are_what_the_documents_allow(tour: Tour, specs: list[Spec]) -> None:
    wrong = []
    for name, answers in answered(tour, specs).items():
        [spec] = [spec for spec in specs if name in spec.operations]
        for answer in answers:
            if answer.status_code in {400, 403, 404} and answer.json()["message"]:
                continue  # the documents leave out most errors
            wrong += [f"{name}: {error}" for error in spec.errors(name, answer)]
    assert wrong == []


def test_the_tour_asks_for_every_operation_about_stocks(tour: Tour, specs: list[Spec]) -> None:
    known = {name for spec in specs for name in spec.operations if not STRANGERS.search(name)}
    assert known - {*answered(tour, specs)} == set()


def test_a_wrong_answer_would_be_noticed(specs: list[Spec], exchange: Exchange) -> None:
    answer = exchange.ask("/v2/clock")
    clock = answer.json()
    for wrong in (clock | {"is_open": "yes"}, clock | {"timestamp": 5}):
        answer.json = lambda wrong=wrong, **_: wrong  # type: ignore[method-assign]
        assert specs[0].errors("GET /v2/clock", answer)
    answer.status_code = 418
    assert specs[0].errors("GET /v2/clock", answer)


def test_the_papers_list_every_operation_as_it_is(
    exchange: Exchange, tour: Tour, specs: list[Spec]
) -> None:
    seen = answered(tour, specs)
    lines = []
    for spec in specs:
        for name in sorted(spec.operations, key=lambda name: (name.split()[1], name)):
            answers = seen.get(name) or [plainly(exchange, name)]
            lines.append(f"| `{name}` | {max(map(verdict, answers))} |")
    text = PAPER.read_text(encoding="utf-8")
    listed = re.findall(r"^\| `[A-Z]+ /v.*` \| (?:served|empty|refused) \|$", text, re.MULTILINE)
    assert listed == lines


def plainly(exchange: Exchange, operation: str) -> requests.Response:
    """The answer to the plainest request of an operation."""
    verb, path = operation.split()
    return exchange.ask(re.sub(r"{[^}]*}", "SPY", path), verb, json={} if verb != "GET" else None)


def verdict(answer: requests.Response) -> str:
    """served, empty (nothing there, by list or by name) or refused."""
    if answer.status_code in {401, 403}:
        return "refused"
    if answer.status_code == 204:
        return "served"
    assert answer.status_code in {200, 201, 207, 400, 404, 422}, answer.text
    return "served" if answer.ok and full(answer.json()) else "empty"


def full(body: Any) -> bool:
    """Whether there is anything in it."""
    if isinstance(body, dict):
        return any(map(full, body.values()))
    if isinstance(body, list):
        return any(map(full, body))
    return isinstance(body, str) and body != ""
