"""The pages that `ael trace show --web` leaves for the browser: written where only their owner reads, and removed."""

import os
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

PREFIX: Final = "ael-trace-"
KEPT_SECONDS: Final = 24 * 3600.0
"""How long a page stays: its run may be deleted or its store moved, and nobody misses a page in a temporary folder."""


def new_folder() -> Path:
    """Make a folder for one page, of a name that nobody can guess, that only this user can enter."""
    return Path(tempfile.mkdtemp(prefix=PREFIX))


def sweep(older_than_s: float = KEPT_SECONDS) -> int:
    """Remove this user's pages of that age or more; returns how many. What cannot be removed stays, silently.

    A folder is taken for one of ours only if it has the prefix, is no link, belongs to this user and nobody else can
    enter it; of its files only pages are removed.
    """
    before = time.time() - older_than_s
    return _sweep(lambda page: page.lstat().st_mtime <= before, before)


def remove_of(execution_ids: Collection[str]) -> int:
    """Remove this user's pages of these runs; returns how many."""
    from html import escape

    # As a page names its own run: an id may be the beginning of another, or stand in what a run of another id said.
    named = [f"<code>{escape(execution_id)}</code>".encode() for execution_id in execution_ids]
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
        with suppress(OSError):  # something else is in it
            Path(folder.path).rmdir()
    return removed
