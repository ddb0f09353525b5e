"""Reserve stdout for the output of a verb, even if the engine or a library prints in the meantime."""

import io
import os
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager, redirect_stdout, suppress
from math import isfinite
from pathlib import Path
from typing import Any, TextIO, cast

import click


@contextmanager
def stdout_to_stderr() -> Generator[None]:
    """Redirect stdout to stderr until the end, also for child processes and native code."""
    sys.stdout.flush()
    saved = _duplicate_stdout()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)


def nowhere() -> TextIO:
    """Open a stream that discards everything."""
    return Path(os.devnull).open("w", encoding="utf-8")


def give_up_stdout() -> None:
    """Discard the remaining output to stdout, since no process reads it; otherwise Python reports an error at exit."""
    with suppress(OSError, ValueError), nowhere() as sink:
        os.dup2(sink.fileno(), sys.stdout.fileno())


def _duplicate_stdout() -> int | None:
    try:
        saved = os.dup(1)
        os.dup2(2, 1)
    except OSError:
        # A process may be started without these files; then they cannot be written to either.
        return None
    return saved


def keep_stdout_for_json_rpc() -> None:
    """Let only JSON-RPC messages reach stdout from now on; all other output to it goes to stderr.

    This includes output of code that has stored `sys.stdout` before (as a console exporter does when it is imported),
    of child processes and of native code. It applies to the rest of the process, since an exporter may write until the
    process exits.
    """
    sys.stdout.flush()
    messages = nowhere()
    if (saved := _duplicate_stdout()) is not None:
        messages = os.fdopen(saved, "w", encoding="utf-8")
    sys.stdout = cast("TextIO", JsonRpcOnly(messages, sys.stderr))


class JsonRpcOnly(io.TextIOBase):
    """A replacement of `sys.stdout` that passes JSON-RPC messages on and sends all other text to stderr.

    The engine writes each message with one call. Anything else on stdout would break the client's connection.
    """

    def __init__(self, messages: TextIO, other: TextIO) -> None:
        super().__init__()
        self._messages = messages
        self._other = other

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str, /) -> int:
        """Write one message to stdout, or other text to stderr."""
        # A span that a console exporter prints may contain the system "jsonrpc" too, but over several lines.
        is_message = text.startswith("{") and '"jsonrpc":' in text and "\n" not in text.rstrip("\n")
        return (self._messages if is_message else self._other).write(text)

    def flush(self) -> None:
        """Flush both streams; a client that disconnected is detected by the reader of stdin."""
        with suppress(BrokenPipeError, ValueError):
            self._messages.flush()
        with suppress(BrokenPipeError, ValueError):
            self._other.flush()


def print_json(value: Any) -> None:
    """Print any value as JSON in UTF-8, without cutting it.

    Types that JSON lacks become text; numbers that are not finite become null.
    """
    import json

    text = json.dumps(_plain(value), ensure_ascii=False, indent=2)
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        # A lone surrogate: UTF-8 has no bytes for it, but JSON has an escape.
        encoded = json.dumps(_plain(value), indent=2).encode("ascii")
    click.echo(encoded)


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if isfinite(value) else None
        case dict():
            mapping = cast("dict[object, object]", value)
            return {str(key): _plain(item) for key, item in mapping.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in cast("Iterable[object]", value)]
        case _:
            return str(value)


def print_document(value: Any) -> None:
    """Print a value as one indented JSON document."""
    import msgspec

    print_bytes([msgspec.json.format(msgspec.json.encode(value), indent=2), b"\n"])


def print_lines(values: Iterable[Any]) -> None:
    """Print each value as one line of JSON."""
    import msgspec

    print_bytes(msgspec.json.encode(value) + b"\n" for value in values)


def print_bytes(parts: Iterable[bytes]) -> None:
    """Write parts to stdout."""
    sys.stdout.flush()
    out = sys.stdout.buffer
    for part in parts:
        out.write(part)
    out.flush()
