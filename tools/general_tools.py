"""Two small things that every room may need. A test keeps this file under 100 lines."""

import os
import tempfile
from pathlib import Path


def atomic_write(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace `path` by `text` at once: a reader, or a crash, finds the old or the new.

    Not `durable`: the machine's own crash may lose both, which costs a snapshot nothing.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
