"""Whether a tool call read or wrote a file, where the tool's name and its parameters show it, and `unknown` elsewhere.

A guess would look like knowledge: names that say both (`get_or_create`), or neither, are `unknown`.
"""

import re
from collections.abc import Collection
from typing import Any, Final, Literal, cast

type Access = Literal["read", "write", "unknown"]

_VERBS: Final = {
    "read": "read view cat show get load list ls stat head tail grep search find glob exists inspect tree info hash"
    " fetch describe lookup",
    "write": "write create edit append delete remove rm update replace insert overwrite truncate touch mkdir save patch"
    " modify",
    "copy": "copy cp",
    "move": "move mv rename",
}
_KIND: Final = {word: kind for kind, words in _VERBS.items() for word in words.split()}
_MODES: Final = {
    "r": "read",
    "rb": "read",
    "w": "write",
    "wb": "write",
    "a": "write",
    "ab": "write",
    "x": "write",
}
_COMMANDS: Final = frozenset({"command", "action", "operation", "op", "method", "subcommand", "mode"})
_REHEARSALS: Final = frozenset({"dryrun"})
_FROM: Final = frozenset({"source", "src", "input", "template"})
_TO: Final = frozenset({"destination", "dest", "dst", "output", "out"})
_FILE: Final = re.compile(r"(?:path|file|filename|filepath|dir|directory|folder)s?|directories")

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
_ONE_WORD: Final = re.compile(r"[A-Za-z_-]{1,32}")


def words_of(name: str) -> list[str]:
    """Return the words of a name: `filePath`, `file_path` and `file-path` are `file`, `path`."""
    return [word.lower() for word in _WORD.findall(name[:256])]


def verb_of(tool: str, params: Any) -> str | None:
    """Return `read`, `write`, `copy` or `move`, as a tool's name or the command among its parameters says; else None.

    A rehearsal (`dry_run: true`) is none of them.
    """
    told: set[str] = set()
    for name, value in cast("dict[str, Any]", params).items() if isinstance(params, dict) else ():
        if value is True and "".join(words_of(name)) in _REHEARSALS:
            return None
        if name.lower() in _COMMANDS and isinstance(value, str) and _ONE_WORD.fullmatch(value):
            told |= {_MODES[value]} if value in _MODES and name.lower() == "mode" else _kinds(value)
    told = told or _kinds(tool)
    return told.pop() if len(told) == 1 else None


def _kinds(name: str) -> set[str]:
    return {_KIND[word] for word in words_of(name) if word in _KIND}


def names_a_file(parameter: str, verb: str | None) -> bool:
    """Return whether a parameter is a file by its name: `path`, `file_path`, `target_file`; not `file_content`."""
    words = words_of(parameter)
    if not words:
        return False
    # The ends of a copy are files by their names; elsewhere a `source` or an `output` may be anything.
    return _FILE.fullmatch(words[-1]) is not None or (verb in {"copy", "move"} and words[-1] in _FROM | _TO)


def access(verb: str | None, parameter: str, others: Collection[str]) -> Access:
    """Return what a call did to the file in a parameter.

    Args:
        verb: as `verb_of` tells it.
        parameter: the name of the parameter, which is a file by its name.
        others: the names of all parameters of the call that are files by their names.
    """
    words = set(words_of(parameter))
    source, target = bool(words & _FROM), bool(words & _TO)
    if verb == "move":
        return "write"  # what is moved is gone from where it was
    if verb == "copy" or verb is None:
        return "unknown" if source == target else "read" if source else "write"
    if verb == "read":
        return "unknown" if target else "read"
    # Of several files only one may be what is written.
    alone = not any(set(words_of(other)) & (_FROM | _TO) for other in others) and len(set(others)) == 1
    return "unknown" if source else "write" if target or alone else "unknown"
