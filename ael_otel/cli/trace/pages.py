"""The pages that `show --web` writes for the browser: readable only by their owner, and removed later."""

import os
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

PREFIX: Final = "ael-trace-"
NAME_CHARS: Final = 60
KEPT_SECONDS: Final = 24 * 3600.0
"""Seconds after which a page is removed: its run may be deleted or its store moved."""


def new_folder() -> Path:
    """Return a new folder for one page, with a random name, that only this user can enter."""
    return Path(tempfile.mkdtemp(prefix=PREFIX))


def file_name(title: str, identifier: str) -> str:
    """Return a file name for a page: its title, cut since file systems allow 255 bytes, and the start of an id."""
    name = f"{title[:NAME_CHARS]}-{identifier[:8]}.html"
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)


def show(path: Path, *, browse: bool) -> None:
    """Print the path of a page, and open it in the browser if `browse`."""
    import webbrowser

    import click

    click.echo(str(path))
    if browse and not webbrowser.open(path.as_uri()):
        click.echo("No browser could be opened here: open the file by hand.", err=True)


def sweep(older_than_s: float = KEPT_SECONDS) -> int:
    """Remove this user's pages of that age or more, and return their number. Pages that cannot be removed are ignored.

    A folder counts as ours only if it has the prefix, is not a link, belongs to this user and nobody else can enter it;
    of its files only pages are removed.
    """
    before = time.time() - older_than_s
    return _sweep(lambda page: page.lstat().st_mtime <= before, before)


def remove_of(identifiers: Collection[str], kind: str = "execution") -> int:
    """Remove this user's pages of these runs (or sessions, if `kind` is `session`), and return their number."""
    from html import escape

    # By the id in the page itself: an id may be the prefix of another, or occur in the content of another run.
    named = [f"{kind} <code>{escape(each)}</code>".encode() for each in identifiers]
    return _sweep(lambda page: any(each in page.read_bytes() for each in named)) if named else 0


def _sweep(goes: Callable[[Path], bool], empty_before: float = 0.0) -> int:
    removed = 0
    with suppress(OSError):
        found = [entry for entry in os.scandir(tempfile.gettempdir()) if entry.name.startswith(PREFIX)]
        for entry in found:
            with suppress(OSError):
                removed += _remove(entry, goes, empty_before)
    return removed


def _remove(folder: os.DirEntry[str], goes: Callable[[Path], bool], empty_before: float) -> int:
    if not folder.is_dir(follow_symlinks=False):
        return 0
    state = folder.stat(follow_symlinks=False)
    if os.name == "posix" and (state.st_uid != os.getuid() or state.st_mode & 0o077):
        return 0
    removed = 0
    for page in Path(folder.path).glob("*.html"):
        if goes(page):
            page.unlink()
            removed += 1
    if removed or state.st_mtime <= empty_before:
        with suppress(OSError):  # the folder contains other files
            Path(folder.path).rmdir()
    return removed
