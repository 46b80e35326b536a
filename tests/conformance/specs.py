"""One of Alpaca's OpenAPI documents: which operations there are, and what may be answered."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
from jsonschema import Draft202012Validator

METHODS = {"get", "post", "put", "patch", "delete"}


@dataclass
class Spec:
    """The document."""

    document: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Spec":
        """Activities are `oneOf` schemas that all hold, so that none may: read as `anyOf`."""
        text = path.read_text(encoding="utf-8").replace('"oneOf"', '"anyOf"')
        return cls(json.loads(text))

    @cached_property
    def operations(self) -> dict[str, dict[str, Any]]:
        """By method and path, `GET /v2/clock`."""
        return {
            f"{method.upper()} {path}": operation
            for path, found in self.document["paths"].items()
            for method, operation in found.items()
            if method in METHODS
        }

    def operation(self, method: str, path: str) -> str | None:
        """The operation that a request is one of: fixed paths before those with a name in them."""
        found = [
            name
            for name in self.operations
            if name.startswith(f"{method} ") and _pattern(name.split()[1]).fullmatch(path)
        ]
        return min(found, key=lambda name: name.count("{"), default=None)

    def errors(self, operation: str, answer: requests.Response) -> list[str]:
        """How an answer differs from what the document allows."""
        known = self.operations[operation]["responses"]
        status = str(answer.status_code)
        if status not in known:
            return [f"{status} is not among {sorted(known)}"]
        schema = known[status].get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            return []
        validator = Draft202012Validator(
            schema | {"components": self.document["components"]},
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )
        return [
            f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
            for error in validator.iter_errors(answer.json())
        ]


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"{[^}]*}", path)
    return re.compile("[^/:]+".join(map(re.escape, parts)))
