"""Answers as bytes on stdout or in a file: whole, uncoloured, and quiet when the reader has gone."""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from ael_otel.export.errors import ExportError


def print_document(value: Any) -> None:
    """Print a value as one indented JSON document."""
    print_bytes([msgspec.json.format(msgspec.json.encode(value), indent=2), b"\n"])


def print_lines(values: Iterable[Any]) -> None:
    """Print each value as one line of JSON."""
    print_bytes(msgspec.json.encode(value) + b"\n" for value in values)


def print_bytes(parts: Iterable[bytes]) -> None:
    """Write parts to stdout."""
    sys.stdout.flush()
    out = sys.stdout.buffer
    for part in parts:
        out.write(part)
    out.flush()


def write_file(path: Path, parts: Iterable[bytes]) -> int:
    """Write parts to a file that only this user can read; it appears whole or not at all. Returns its bytes.

    A device or a pipe takes them as they come.

    Raises ExportError that names the file.
    """
    import tempfile

    size = 0
    temporary = None
    try:
        if path.exists() and not path.is_file():
            # A device or a pipe is written to; putting a file in its place would take it away from everybody.
            with path.open("wb") as file:
                return sum(file.write(part) for part in parts)
        target = path.resolve()  # a link stays one
        # Beside the file, so that it can be renamed; mkstemp makes it readable for its owner only.
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                size += file.write(part)
        Path(temporary).replace(target)
        temporary = None
    except OSError as error:
        raise ExportError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()
    return size
