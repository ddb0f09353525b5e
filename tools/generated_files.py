"""Files that a tool generates from a source: write them, or report those that differ.

files = {"docs/page.md": text, "docs/other.md": between_marks(old, begin, end, table)}
status = update(root, files, check=arguments.check, source="ael_otel/registry")
"""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path


def stale(root: Path, files: Mapping[str, str], folders: Iterable[str] = ()) -> list[str]:
    """Return the paths below `root` that do not match: missing, different, or a module that nothing generates.

    Args:
        root: the repository.
        files: path relative to `root` -> the text that it must have.
        folders: relative paths of folders in which every Python module must be one of `files`.
    """
    differing = [name for name, text in files.items() if _read(root / name) != text]
    modules = (
        path.relative_to(root).as_posix()
        for folder in folders
        for path in sorted((root / folder).glob("*.py"))
    )
    return differing + [name for name in modules if name not in files]


def write(root: Path, files: Mapping[str, str], folders: Iterable[str] = ()) -> list[str]:
    """Write the files below `root` and remove modules that nothing generates; return the changed paths."""
    changed = stale(root, files, folders)
    for name in changed:
        path = root / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name], encoding="utf-8", newline="\n")
        else:
            path.unlink()
    return changed


def update(
    root: Path,
    files: Mapping[str, str],
    *,
    check: bool,
    source: str,
    folders: Iterable[str] = (),
    command: str = "make generate",
) -> int:
    """Write the files, or with `check` only compare them; print the outcome and return the exit status, 0 or 1.

    Args:
        root: the repository.
        files: path relative to `root` -> the text that it must have.
        check: write nothing; return 1 if a file would change, with its path on stderr.
        source: name of the files' source, for the messages.
        folders: see `stale`.
        command: the command that writes them.
    """
    changed = (stale if check else write)(root, files, folders)
    listed = "".join(f"\n  {name}" for name in changed)
    if not check:
        print(f"{len(files)} files generated from {source}, {len(changed)} changed{listed}")
    elif changed:
        print(f"{len(changed)} files do not match {source}{listed}", file=sys.stderr)
        print(f"Edit {source}, not these files, and run `{command}`.", file=sys.stderr)
    else:
        print(f"{len(files)} generated files match {source}.")
    return 1 if check and changed else 0


def between_marks(text: str, begin: str, end: str, content: str) -> str:
    """Return `text` with the lines between the line `begin` and the line `end` replaced by `content`.

    Raises ValueError unless each mark stands once, alone on its line, in this order; spaces around it do not count.
    """
    lines = text.splitlines(keepends=True)
    stripped = [line.strip() for line in lines]
    if stripped.count(begin) != 1 or stripped.count(end) != 1 or stripped.index(begin) > stripped.index(end):
        raise ValueError(f"the lines {begin!r} and {end!r} must each be there once, in this order")
    filling = content if content.endswith("\n") or not content else f"{content}\n"
    return "".join([*lines[: stripped.index(begin) + 1], filling, *lines[stripped.index(end) :]])


def formatted_python(text: str, name: str) -> str:
    """Return Python source without unused imports and formatted as `ruff format` does it, with the settings here.

    A line is broken only if it is too long; trailing commas of the source are ignored.

    Args:
        text: the source.
        name: path relative to the repository, for messages and for settings by path.

    Raises:
        ValueError: the source does not parse; the text is ruff's.
    """
    fixes = ["check", "--fix-only", "--select", "F401,I001"]
    commas = ("format.skip-magic-trailing-comma=true", "lint.isort.split-on-trailing-comma=false")
    options = ["--no-cache", *(part for option in commas for part in ("--config", option))]
    for arguments in (fixes, ["format"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, *options, "--stdin-filename", name, "-"],
            input=text,
            capture_output=True,
            encoding="utf-8",
            check=False,
            cwd=Path(__file__).parents[1],
        )
        if done.returncode:
            raise ValueError(f"{name}: {done.stderr.strip()}")
        text = done.stdout
    return text


def _read(path: Path) -> str | None:
    return path.read_bytes().decode("utf-8") if path.is_file() else None
