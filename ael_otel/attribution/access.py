"""Tell from the names of a tool and its parameters whether a call read or wrote a file; `unknown` if they do not show
it.

Names that mean both (`get_or_create`), or neither, are `unknown`: a guess would look like a fact.
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
    """Return `read`, `write`, `copy` or `move`, from the command among a call's parameters or the tool's name; else
    None.

    None also for a call that changes nothing (`dry_run: true`).
    """
    kinds: set[str] = set()
    for name, value in cast("dict[str, Any]", params).items() if isinstance(params, dict) else ():
        if value is True and "".join(words_of(name)) in _REHEARSALS:
            return None
        if name.lower() in _COMMANDS and isinstance(value, str) and _ONE_WORD.fullmatch(value):
            kinds |= {_MODES[value]} if value in _MODES and name.lower() == "mode" else _kinds(value)
    kinds = kinds or _kinds(tool)
    return kinds.pop() if len(kinds) == 1 else None


def _kinds(name: str) -> set[str]:
    return {_KIND[word] for word in words_of(name) if word in _KIND}


def names_a_file(parameter: str, verb: str | None) -> bool:
    """Return whether a parameter's name means a file: `path`, `file_path`, `target_file`; not `file_content`."""
    words = words_of(parameter)
    if not words:
        return False
    # In a copy, `source` and `target` are files; in other calls a `source` or an `output` may be anything.
    return _FILE.fullmatch(words[-1]) is not None or (verb in {"copy", "move"} and words[-1] in _FROM | _TO)


def access(verb: str | None, parameter: str, others: Collection[str]) -> Access:
    """Return how a call used the file in a parameter.

    Args:
        verb: the result of `verb_of`.
        parameter: the parameter's name, for which `names_a_file` is true.
        others: the names of all parameters of the call for which `names_a_file` is true.
    """
    words = set(words_of(parameter))
    source, target = bool(words & _FROM), bool(words & _TO)
    if verb == "move":
        return "write"  # a move deletes the source
    if verb == "copy" or verb is None:
        return "unknown" if source == target else "read" if source else "write"
    if verb == "read":
        return "unknown" if target else "read"
    # A call writes the file that it names without a direction only if it names no other.
    alone = not any(set(words_of(other)) & (_FROM | _TO) for other in others) and len(set(others)) == 1
    return "unknown" if source else "write" if target or alone else "unknown"
