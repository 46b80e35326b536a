"""An answer as a model reads it: compact JSON of at most 8 kB, whatever there is to tell.

The structured content beside it is whole: programs read that one.
"""

import math
from collections.abc import Mapping
from typing import Any

import pydantic_core

LONGEST_TEXT = 8_192
"""Bytes."""
LEFT_OUT = "left_out"


def bounded_text(answer: Mapping[str, Any]) -> str:
    """`answer` in so many bytes. Lists are oldest first: the longest loses its first rows.

    How many of which list is told under `left_out`. Raises ValueError for one whose size is not in
    its lists.
    """
    told, rows = dict(answer), {name: v for name, v in answer.items() if isinstance(v, list)}
    while (size := _size(told)) > LONGEST_TEXT:
        sizes = {name: _size(told[name]) for name in rows if told[name]}
        if not sizes:
            raise ValueError(f"the answer has {size} bytes: ask for less")
        name = max(sizes, key=sizes.__getitem__)
        share = (size - LONGEST_TEXT) / sizes[name]
        told[name] = told[name][max(1, math.ceil(share * len(told[name]))) :]
        told[LEFT_OUT] = {one: n for one in rows if (n := len(rows[one]) - len(told[one]))}
    return pydantic_core.to_json(told).decode()


def _size(value: object) -> int:
    return len(pydantic_core.to_json(value))
