"""Which tools this trader was made for: one hash over their names, words, schemas and access.

A server that offers others may have been replaced, or be of another version. `python -m
tests.pin_tools` says the hash of the tools as they are; a test holds this one to it.
"""

import hashlib
import json
from collections.abc import Sequence

from mcp import Tool

PINNED = "78ddf892892ebbf65ed3ead654ccee30117759cd2e108cef82de4467550922c2"


def fingerprint(tools: Sequence[Tool]) -> str:
    """The same for the same tools in whatever order."""
    told = sorted(
        json.dumps(
            [
                tool.name,
                tool.description,
                tool.input_schema,
                tool.output_schema,
                tool.annotations is not None and tool.annotations.read_only_hint is True,
            ],
            sort_keys=True,
        )
        for tool in tools
    )
    return hashlib.sha256("\n".join(told).encode()).hexdigest()
