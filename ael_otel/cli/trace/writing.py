"""Answers as bytes on stdout: whole, uncoloured, and quiet when the reader has gone."""

import sys
from collections.abc import Iterable
from typing import Any

import msgspec


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
