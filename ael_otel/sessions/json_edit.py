"""Insert into a JSON text and remove from it, leaving the rest unchanged: order, formatting and unknown keys.

Removing everything that was inserted restores the text byte by byte. A child in an empty container is inserted directly
after the opening bracket, and a container created here begins with a blank or a line break. From that, the removal
distinguishes an empty container that the user wrote from one to remove with its last child.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final, cast

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SCALAR: Final = re.compile(r"[^\s,\]}]+")
_INDENT: Final = re.compile(r'(?m)^([ \t]+)["{\[]')
_MAX_DEPTH: Final = 100


@dataclass(slots=True)
class Node:
    """A value in a JSON text: where it begins and ends, its children, and the positions of the members' names."""

    start: int
    end: int = 0
    value: Any = None
    members: dict[str, "Node"] = field(default_factory=dict[str, "Node"])
    elements: list["Node"] = field(default_factory=list["Node"])
    begins: list[int] = field(default_factory=list[int])
    """Where each child begins; in a mapping, where its name begins."""
    ends: list[int] = field(default_factory=list[int])


def parse(text: str) -> Node:
    """Return the tree of a JSON text; raises ValueError if it is not strict JSON, for example if it has comments."""
    start = 1 if text.startswith("\ufeff") else 0
    value = json.loads(text[start:])
    return _node(text, _skip(text, start), value, 0)


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return at if blank is None else blank.end()


def _node(text: str, at: int, value: Any, depth: int) -> Node:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    node = Node(at, value=value)
    opener = text[at]
    if opener not in "{[":
        found = (_STRING if opener == '"' else _SCALAR).match(text, at)
        assert found is not None  # json has read it
        node.end = found.end()
        return node
    here = _skip(text, at + 1)
    while text[here] not in "}]":
        begin = here
        if opener == "{":
            name = _STRING.match(text, here)
            assert name is not None
            key = json.loads(name[0])
            if key in node.members:
                raise ValueError(f"the key {key!r} appears twice")
            here = _skip(text, _skip(text, name.end()) + 1)
            child = _node(text, here, value[key], depth + 1)
            node.members[key] = child
        else:
            child = _node(text, here, value[len(node.elements)], depth + 1)
        node.elements.append(child)
        node.begins.append(begin)
        node.ends.append(child.end)
        here = _skip(text, child.end)
        if text[here] == ",":
            here = _skip(text, here + 1)
    node.end = here + 1
    return node


def insert(text: str, node: Node, value: Any, name: str | None = None) -> str:
    """Return a text with another child at the end of a container."""
    newline = "\r\n" if "\r\n" in text else "\n"
    indent = _INDENT.search(text)
    unit = indent[1] if indent else "  "
    head = "" if name is None else f"{json.dumps(name, ensure_ascii=False)}: "
    if not node.begins:
        base = text[text.rfind("\n", 0, node.start) + 1 : node.start]
        base = base[: len(base) - len(base.lstrip(" \t"))]
        at = node.start + 1
        return text[:at] + head + _spread(value, unit, base, newline) + text[at:]
    at = node.ends[-1]
    gap = text[node.start + 1 : node.begins[0]]
    if "\n" not in gap:
        return f"{text[:at]}, {head}{_compact(value)}{text[at:]}"
    base = gap.rpartition("\n")[2]
    return f"{text[:at]},{newline}{base}{head}{_spread(value, unit, base, newline)}{text[at:]}"


def _spread(value: Any, unit: str, base: str, newline: str) -> str:
    lines = json.dumps(value, indent=unit, ensure_ascii=False).split("\n")
    return f"{newline}{base}".join(lines)


def _compact(value: Any) -> str:
    if isinstance(value, dict) and value:
        members = cast("dict[str, Any]", value).items()
        return "{ " + ", ".join(f"{json.dumps(name)}: {_compact(each)}" for name, each in members) + "}"
    if isinstance(value, list) and value:
        return "[ " + ", ".join(map(_compact, value)) + "]"  # pyright: ignore[reportUnknownArgumentType]
    return json.dumps(value, ensure_ascii=False)


def remove(text: str, node: Node, index: int) -> str:
    """Return a text without a child of a container."""
    if index > 0:
        return text[: node.ends[index - 1]] + text[node.ends[index] :]
    if len(node.begins) > 1:
        return text[: node.begins[0]] + text[node.begins[1] :]
    return text[: node.start + 1] + text[node.ends[0] :]


def made_here(text: str, node: Node) -> bool:
    """Return whether a container was created with its only child by `insert`, not by the user."""
    return text[node.start + 1] in " \t\r\n"
