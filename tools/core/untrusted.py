"""Text from outside (names, news, a broker's words) on its way to a model: data and nothing else.

What is cleaned keeps its words and loses what could make them more than words: characters that do
not show, marks that open or close something, addresses. It then goes into one JSON field.
"""

import re
import unicodedata

LONGEST = 500

# Marks of chat templates and of tool calls, in their plain and in their full-width writing.
_TEMPLATE = re.compile(r"<\s*/?\s*[|｜][^<>]{0,200}>|\[/?INST\]|<<\s*/?SYS\s*>>", re.IGNORECASE)
_MARKDOWN_LINK = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()\s]{0,500}\)")
_ADDRESS = re.compile(
    r"\b(?:[a-z][a-z0-9+.-]{1,20}://|(?:data|javascript|mailto):(?=\S)|www\.)\S*", re.IGNORECASE
)
_OPENERS = str.maketrans({"<": "‹", "`": "'"})
# They are letters or marks to Unicode, and show as nothing.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_UNSEEN = frozenset(("Cc", "Cf", "Cn", "Co", "Cs"))


def cleaned(text: str, longest: int = LONGEST) -> str:
    """`text` on one line of at most `longest` characters, its end cut off.

    Without control, bidirectional, zero-width, tag and private characters, template marks and
    addresses; what opens a tag or a block of code becomes a look-alike that opens nothing.
    """
    # No more is read than could be kept: a flood costs nothing.
    text = unicodedata.normalize("NFC", text[: 20 * longest])
    text = "".join(" " if char.isspace() else char for char in text if not _unseen(char))
    before = None
    while before != text:  # what is cut out may join what stood around it
        before = text
        text = _MARKDOWN_LINK.sub(r"\1", text)
        text = _ADDRESS.sub("[address removed]", text)
        text = _TEMPLATE.sub(" ", text)
    text = " ".join(text.translate(_OPENERS).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _unseen(char: str) -> bool:
    if char.isspace():
        return False  # it becomes a blank
    selector = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    return selector or char in _BLANK or unicodedata.category(char) in _UNSEEN
