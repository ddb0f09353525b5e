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

    Raises ExportError that names the file.
    """
    import tempfile

    size = 0
    temporary = None
    try:
        # Beside the file, so that it can be renamed; mkstemp makes it readable for its owner only.
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                size += file.write(part)
        Path(temporary).replace(path)
        temporary = None
    except OSError as error:
        raise ExportError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()
    return size
