"""Which files nothing is captured of, and where a text names one of them."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from fnmatch import translate
from pathlib import Path
from time import monotonic
from typing import Final
from urllib.parse import unquote

_MOST_RESOLVED: Final = 512
"""Paths of one text whose symbolic links are looked up; of further ones only the names are compared."""
_REMEMBERED: Final = 4096
_FRESH_S: Final = 5.0
_LONGEST: Final = 4096

_TOKEN: Final = re.compile(
    "[^\\s\"'`<>|;,()\\[\\]=\u3001\u3002\uff0c\uff1b\uff1a\uff08\uff09\u300a-\u3011\u2018-\u201f\u00ab\u00bb]{1,4096}"
)
_ASCII: Final = re.compile("[!-~]{2,4096}")
_STUCK: Final = re.compile(r"[@*&#!+^](?=~?[/\\])")
_SLASH: Final = re.compile(r"[/\\]|%2[fF]")
_OF_A_FILE: Final = re.compile(r"(?i)(?!file:|https?:|wss?:)[a-z][a-z0-9+.-]*://[^/]*(?=/)")
_QUOTED_PART: Final = re.compile(r"[\w.~}][\"']/|/[\"'][\w.]")
_UNQUOTED: Final = str.maketrans("", "", "\"'")
_HOME: Final = re.compile(r"(?<![\w/~.-])~(?![\w/~.-])")
_FOLDER, _EXCLUDED = 1, 2
_LONGEST_HEAD: Final = 256
_SHORT_TEXT: Final = 1024
_LONGEST_COMMAND: Final = 65_536
_LONGEST_NAME: Final = 256
_WILD: Final = re.compile(r"[*?\[]")
_FOLDS: Final = sys.platform in {"darwin", "win32"}
_WINDOWS_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_OWN_COLON: Final = re.compile(r"(?:file|[A-Z]):", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"(?!file:)\b[a-z][a-z0-9+.-]+://\S*|\bdata:\S*", re.IGNORECASE)
_ROOTED: Final = re.compile(
    r"/[^/]|~[\w.-]*[/\\]|\.\.?[/\\]|[A-Za-z]:[\\/]|file:/|\$(?:HOME|\{HOME\})[/\\]", re.IGNORECASE
)


class ExcludedPaths:
    """Patterns of files: `~`, `..` and symbolic links are resolved on both sides.

    Args:
        patterns: as `privacy.excluded_paths`. `*` matches any characters, also `/`; a folder stands for what is in it;
            a pattern without `/` is compared with the last part of a path.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        names: list[str] = []
        places: list[str] = []
        for pattern in patterns:
            written = pattern.strip()
            (places if "/" in written or "\\" in written or written.startswith("~") else names).append(
                written
            )
        self._name = _compiled(names, "")
        resolved = {form for place in places for form in _forms(place)}
        self._place = _compiled(sorted(resolved), r"(?:/.*)?")
        self._whole = _compiled(sorted({found for form in resolved if (found := _folder_of(form))}), "")
        # Places that are known without a wild card: of a file, or of a folder all of which is excluded.
        known = {_folder_of(form) or form for form in resolved}
        self._known = sorted(each for each in known if not _WILD.search(each))
        self._apart = [
            _Apart(each, depth) for each in self._known for depth in (1, 2) if each.count("/") > depth
        ]
        self._answers: dict[str, tuple[float, int]] = {}
        self._folders: dict[str, str] = {}
        self._folders_since = 0.0
        self._some = bool(patterns)

    def __bool__(self) -> bool:
        """Return whether anything is excluded."""
        return self._some

    def matches(self, path: str, *, resolve: bool = True) -> bool:
        """Return whether a path is excluded.

        Args:
            path: absolute, relative to the working directory, or a `file:` address.
            resolve: also ask the file system where symbolic links lead.
        """
        return self._level(path, resolve=resolve) == _EXCLUDED

    def _level(self, path: str, *, resolve: bool) -> int:
        """Return `_EXCLUDED`, `_FOLDER` for a folder whose files all are, or 0."""
        if not self._some or not path or len(path) > _LONGEST or "\0" in path:
            return 0
        now = monotonic()
        known = self._answers.get(path)
        if known is not None and now - known[0] < _FRESH_S:
            return known[1]
        answer = self._judge(path, resolve=resolve)
        if resolve:
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            self._answers[path] = (now, answer)
        return answer

    def _judge(self, path: str, *, resolve: bool) -> int:
        plain = _plain(path)
        found = 0
        for form in (plain, plain.replace("\\", "/")) if "\\" in plain else (plain,):
            lexical = _absolute(form)
            found = max(found, self._fits(lexical))
            if resolve and found < _EXCLUDED:
                real = self._real(lexical)
                if real != lexical:
                    found = max(found, self._fits(real))
            if found == _EXCLUDED:
                break
        return found

    def _real(self, path: str) -> str:
        """Return where a path leads, asking the system once for each folder in a while."""
        if path == "/" or path in self._folders:
            return self._folders.get(path, "/")
        folder, _, name = path.rpartition("/")
        if not name or not path.startswith("/"):
            return os.path.realpath(path)
        parent = self._folder(folder).rstrip("/") if folder else ""
        here = f"{parent}/{name}"
        try:
            os.readlink(here)  # noqa: PTH115 - a Path takes longer than the question
        except (OSError, ValueError):
            return here
        return os.path.realpath(here)

    def _folder(self, path: str) -> str:
        now = monotonic()
        if now - self._folders_since > _FRESH_S or len(self._folders) >= _REMEMBERED:
            self._folders = {}
            self._folders_since = now
        real = self._real(path)
        self._folders[path] = real
        return real

    def _fits(self, path: str) -> int:
        if (self._place is not None and self._place.fullmatch(path)) or (
            self._name is not None and any(map(self._name.fullmatch, path.split("/")))
        ):
            return _EXCLUDED
        return _FOLDER if self._whole is not None and self._whole.fullmatch(path) else 0

    def may_name(self, text: str) -> bool:
        """Return False for a text that certainly names no excluded file."""
        return "/" in text or "\\" in text or "%2" in text or "~" in text or self._name is not None

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where a text names excluded files."""
        if not self._some or not self.may_name(text):
            return
        resolved = 0
        some = False
        for start, word in self._words(text):
            # A colon may belong to the path (`file://`, `C:`) or stand before or behind it (`host:path`, `path:12`).
            for begin, part in _parts(word):
                resolved += 1
                if self.matches(part, resolve=resolved <= _MOST_RESOLVED):
                    yield start + begin, start + begin + len(part)
                    some = True
                    break
        if not some and " " in text and len(text) <= _SHORT_TEXT and self.matches(text.strip()):
            # One path, with blanks in it.
            yield 0, len(text)

    def reads(self, text: str) -> bool:
        """Return whether a text of a call leads to excluded files: by their names, their folder or a wild card."""
        if not self._some:
            return False
        if len(text) <= _LONGEST_NAME and "/" not in text and self._level(text, resolve=True):
            return True  # a name in the working directory; only the file system knows where it leads
        if not self.may_name(text):
            return False
        resolved = 0
        for _, word in self._words(text):
            for _, part in _parts(word):
                resolved += 1
                few = resolved <= _MOST_RESOLVED
                if self._level(part, resolve=few) or (few and self._covers(part)):
                    return True
        if " " in text and len(text) <= _SHORT_TEXT and self._level(text.strip(), resolve=True):
            return True
        if len(text) <= _LONGEST_COMMAND and _QUOTED_PART.search(text):
            # A shell joins what stands side by side: `"$HOME"/.ssh`.
            return self.reads(text.translate(_UNQUOTED))
        return False

    def reads_apart(self, texts: Sequence[str]) -> bool:
        """Return whether the texts of one call name a folder and, beside it, what is excluded there."""
        together = "\n".join(texts)
        for each in self._apart:
            if (
                each.name in together
                and any(each.name in text and each.behind.search(text) for text in texts)
                and any(self._names_folder(text, each.folder) for text in texts)
            ):
                return True
        return False

    def _names_folder(self, text: str, folder: str) -> bool:
        if _HOME.search(text) and _absolute("~") == folder:
            return True
        for word in _TOKEN.finditer(text):
            for _, part in _parts(word[0]) if "/" in word[0] or "\\" in word[0] else ():
                lexical = _absolute(_plain(part).replace("\\", "/"))
                if lexical == folder or (len(part) <= _LONGEST and self._real(lexical) == folder):
                    return True
        return False

    def _covers(self, path: str) -> bool:
        """Return whether a path with wild cards can stand for an excluded one, read as a shell does."""
        if "/" not in path or not ("*" in path or "?" in path or "[" in path or "{" in path):
            return False
        lexical = _absolute(_plain(path))
        if "**" in lexical:
            pattern = re.compile(translate(lexical), re.DOTALL | (re.IGNORECASE if _FOLDS else 0))
            return any(map(pattern.fullmatch, self._known))
        parts = [re.sub(r"[{].*", "*", part) for part in lexical.split("/")]
        for known in self._known:
            names = known.split("/")
            if len(parts) >= len(names) and all(map(_shell_match, names, parts)):
                return True
        return False

    def _words(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield the words of a text that can be paths: those with a slash, or all where names alone are excluded."""
        if self._name is not None:
            for word in _TOKEN.finditer(text):
                yield word.start(), word[0]
            return
        if "/" not in text and "\\" not in text and "%2" not in text:
            return
        behind = 0
        for sign in _SLASH.finditer(text):
            if sign.start() < behind:
                continue
            before = _TOKEN.match(text[max(behind, sign.start() - _LONGEST_HEAD) : sign.start()][::-1])
            start = sign.start() - (len(before[0]) if before is not None else 0)
            whole = _TOKEN.match(text, start)
            if whole is not None:
                behind = whole.end()
                yield start, whole[0]


def paths_in(text: str) -> Iterator[str]:
    """Yield what in a text is a path without doubt: from a root, the home or this folder (`./`), or a `file:` address.

    A word with a slash in it (`and/or`, `text/html`) may be anything, and addresses of other kinds are no files.
    """
    for word in _TOKEN.finditer(_ADDRESS.sub(" ", text)):
        rooted = [part for _, part in _parts(word[0]) if _ROOTED.match(part)]
        # With a colon a word is several paths (`/from:/to`, `/a/file:12`), unless the colon is the path's own.
        whole = bool(rooted) and _OWN_COLON.match(rooted[0]) is not None
        single = rooted[:1] if whole else [part for part in rooted if ":" not in part]
        yield from dict.fromkeys(map(as_path, single))


def as_path(text: str) -> str:
    """Return a path as it is written, that of a `file:` address without what the address wraps it in.

    Of an address of another kind nothing is left.
    """
    return _plain(text) if text[:5].lower() == "file:" else "" if _ADDRESS.match(text) else text


def _parts(word: str) -> Iterator[tuple[int, str]]:
    stripped = word.rstrip(".!?:")
    if stripped.endswith("}") or stripped.startswith("{"):
        inner = stripped.lstrip("{")
        yield len(stripped) - len(inner), inner.rstrip("}.")
    yield 0, stripped
    if ":" in stripped and not stripped.startswith("file:"):
        begin = 0
        for part in stripped.split(":"):
            if part and ("/" in part or "\\" in part or "." in part or part.startswith("~")):
                yield begin, part
            begin += len(part) + 1
    address = _OF_A_FILE.match(stripped)
    if address is not None:
        yield address.end(), stripped[address.end() :]
    at = stripped.find("file:")
    if at > 0:
        yield at, stripped[at:]
    at = stripped.find("~/")
    if at > 0:
        yield at, stripped[at:]
    stuck = _STUCK.search(stripped)
    if stuck is not None:
        # `@/a/file` of curl, `**/a/file**` of Markdown
        yield stuck.end(), stripped[stuck.end() :].rstrip("*.!?:")
    if not stripped.isascii():
        # In a sentence without blanks.
        for run in _ASCII.finditer(stripped):
            if "/" in run[0] or "\\" in run[0]:
                yield run.start(), run[0]


def _plain(path: str) -> str:
    """Return a path without what addresses wrap it in."""
    if path[:5].lower() == "file:":
        path = path[5:]
        if path.startswith("//"):
            host, slash, rest = path[2:].partition("/")
            path = f"/{rest}" if slash and host.lower() in {"", "localhost", "127.0.0.1"} else path[2:]
        path = path.partition("?")[0].partition("#")[0]
    if "%" in path:
        path = unquote(path)
    for home in ("$HOME", "${HOME}", "%USERPROFILE%"):
        if path.startswith(home):
            return "~" + path[len(home) :]
    return path


def _absolute(path: str) -> str:
    if path[:1] == "/" and "/." not in path and "//" not in path and path[-1] != "/":
        return path
    if "/" not in path and path[:1] not in {"~", "."} and sys.platform != "win32":
        return f"{os.getcwd().rstrip('/')}/{path}"  # noqa: PTH109 - as below
    plain = os.path.normpath(os.path.join(os.getcwd(), os.path.expanduser(path)))  # noqa: PTH109, PTH111, PTH118
    # Two slashes at the beginning are kept by the rules of POSIX, and one by every system that we know.
    return plain[1:] if plain[:2] == "//" and sys.platform != "win32" else plain


def _forms(pattern: str) -> Iterator[str]:
    """Yield a pattern as it is written and as the system resolves the part of it before the first wild card."""
    plain = _absolute(pattern.replace("\\", "/") if not _WINDOWS_DRIVE.match(pattern) else pattern)
    yield plain.rstrip("/")
    wild = _WILD.search(plain)
    head = plain if wild is None else plain[: wild.start()].rpartition("/")[0]
    if head:
        try:
            real = str(Path(head).resolve())
        except (OSError, RuntimeError, ValueError):
            return
        if real != head:
            yield (real + plain[len(head) :]).rstrip("/")


def _folder_of(form: str) -> str:
    """Return the folder of a pattern that means all that is in it, `/a/*` or `/a/**`; nothing for another."""
    folder, _, last = form.rpartition("/")
    return folder if last in {"*", "**"} else ""


class _Apart:
    """A known place, cut in two: its folder, and the one or two last parts of it, as they stand alone in a text."""

    def __init__(self, place: str, depth: int) -> None:
        parts = place.split("/")
        self.folder = "/".join(parts[:-depth])
        self.name = parts[-1]
        behind = re.escape("/".join(parts[-depth:]))
        self.behind = re.compile(rf"(?<![\w/~.-])(?:\./)*{behind}(?![\w-]|\.\w)")


def _shell_match(name: str, pattern: str) -> bool:
    """Return whether a part of a path fits a pattern; as in a shell, `*` takes no dot at the beginning."""
    if name == pattern:
        return True
    if name[:1] == "." and pattern[:1] != ".":
        return False
    return re.match(translate(pattern), name, re.IGNORECASE if _FOLDS else 0) is not None


def _compiled(patterns: Sequence[str], behind: str) -> re.Pattern[str] | None:
    if not patterns:
        return None
    # `**` is what others write for what `*` is here.
    joined = "|".join(f"(?:{translate(re.sub(r'[*]{2,}', '*', each))[:-2]}){behind}" for each in patterns)
    return re.compile(f"(?:{joined})", re.DOTALL | (re.IGNORECASE if _FOLDS else 0))
