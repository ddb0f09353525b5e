"""Lines of text files as attribution compares them: without line ends, by two hashes each, never stored as text."""

from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b, sha256
from typing import Final, Literal

type LineEnding = Literal["lf", "crlf", "mixed", "none"]

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_LINES: Final = 100_000
_SNIFF: Final = 8_000
_DISTINCTIVE: Final = 8
"""Minimum number of letters and digits at which two people are unlikely to write the same line by chance."""

_SAME: Final = str.maketrans({"'": '"', "`": '"'})


def lines_of(data: bytes) -> list[str] | None:
    """Return the lines of a file, numbered as Git numbers them, without line ends; None for a binary or too long file.

    UTF-8 with or without a byte order mark, UTF-16 and UTF-32 with one, else Latin-1.
    """
    if len(data) > MAX_BYTES:
        return None
    text = _decoded(data)
    if text is None:
        return None
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if len(lines) > MAX_LINES:
        return None
    return [line.removesuffix("\r") for line in lines]


def _decoded(data: bytes) -> str | None:
    for mark, encoding in (
        (b"\xff\xfe\0\0", "utf-32"),
        (b"\0\0\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                return None
    if b"\0" in data[:_SNIFF]:
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def line_ending(data: bytes) -> LineEnding:
    """Return how the lines of a file end."""
    ends = data.count(b"\n")
    both = data.count(b"\r\n")
    return "none" if not ends else "lf" if not both else "crlf" if both == ends else "mixed"


def content_key(lines: Sequence[str]) -> str:
    """Return an id of the content of a file that does not depend on its line ends: 32 hex digits."""
    return blake2b("\n".join(lines).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def range_hash(lines: Sequence[str]) -> str:
    """Return `sha256:` and the SHA-256 of lines joined by LF, without trailing empty lines."""
    text = "\n".join(lines).rstrip("\n")
    return "sha256:" + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Hashes:
    """Two hashes of each line, 32 bits each: exact, and loose, which formatting does not change.

    The lowest bit of a loose hash is set if the line is distinctive: long enough that two people do not write it by
    chance. Hashes this short fit many texts, so that a line cannot be recovered from them.
    """

    __slots__ = ("exact", "loose")

    def __init__(self, exact: "array[int]", loose: "array[int]") -> None:
        self.exact = exact
        self.loose = loose

    def __len__(self) -> int:
        return len(self.exact)

    @classmethod
    def of(cls, lines: Iterable[str]) -> "Hashes":
        """Return the hashes of lines."""
        seen: dict[str, tuple[int, int]] = {}
        exact, loose = array("I"), array("I")
        for line in lines:
            pair = seen.get(line)
            if pair is None:
                pair = seen[line] = _short(line), _loose(line)
            exact.append(pair[0])
            loose.append(pair[1])
        return cls(exact, loose)


def bare(line: str) -> str:
    """Return a line without the characters that formatters change: blanks, quotes, a comma or semicolon at the end."""
    return "".join(line.split()).translate(_SAME).rstrip(",;")


def is_distinctive(loose: int) -> bool:
    """Return whether a loose hash is that of a distinctive line."""
    return bool(loose & 1)


def _short(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest())


def _loose(line: str) -> int:
    text = bare(line)
    if not text:
        return 0
    letters = sum(map(str.isalnum, text))
    return (_short(text) & ~1) | (letters >= _DISTINCTIVE)
