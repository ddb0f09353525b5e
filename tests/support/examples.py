"""Find command lines that are examples in help texts and documents, which tests run unchanged."""

import re
import shlex
from pathlib import Path

import click


def examples(group: click.Group, *documents: Path) -> list[str]:
    """Return the examples of a group and its verbs, and the lines of shell blocks in documents, each once, sorted."""
    context = click.Context(group)
    verbs = [group.get_command(context, name) for name in group.list_commands(context)]
    found: set[str] = set()
    for command in [group, *verbs]:
        found.update(line.strip() for line in (command.epilog or "").splitlines()[2:])
    for document in documents:
        for block in re.findall(r"^```sh\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL):
            found.update(block.splitlines())
    return sorted(found)


def taken_apart(line: str, group: str, folder: Path) -> tuple[list[str], bytes | None]:
    """Return the words after `ael GROUP` in an example, and its stdin: the file in `folder` that follows a `<`."""
    ael, named, *words = shlex.split(line)
    assert (ael, named) == ("ael", group)
    if "<" not in words:
        return words, None
    *words, sign, name = words
    assert sign == "<"
    return words, (folder / name).read_bytes()
