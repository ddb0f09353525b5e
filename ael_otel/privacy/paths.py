"""Excluded files: which paths are excluded, and where a text names one.

The file system is read once, when the configuration is loaded: the working directory, the home, the targets of excluded
paths, and links inside excluded folders. Later, paths are compared as text, without a system call: looking up any
path-like word of a text could mount a volume or contact a remote host.

A text is searched only around a literal part that every spelling of an excluded path contains (`.ssh` of `~/.ssh/*`),
so a text without it costs one substring search. If an excluded path has no such part, or the working directory is
inside an excluded folder, every word with a slash is judged.
"""

import os
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from fnmatch import translate
from pathlib import Path
from typing import Final
from urllib.parse import unquote

_REMEMBERED: Final = 4096
_LONGEST: Final = 4096
_MOST_LINKS: Final = 1024
"""Maximum entries of one excluded folder that are searched for links when the configuration is loaded."""

_TOKEN: Final = re.compile(
    "[^\\s\"'`<>|;,()\\[\\]=\u3001\u3002\uff0c\uff1b\uff1a\uff08\uff09\u300a-\u3011\u2018-\u201f\u00ab\u00bb]{1,4096}"
)
_ASCII: Final = re.compile("[!-~]{2,4096}")
_STUCK: Final = re.compile(r"[@*&#!+^](?=~?[/\\])")
_SLASH: Final = re.compile(r"[/\\]|%2[fF]")
_PROCESS: Final = re.compile("/proc/(?:self|thread-self|[0-9]{1,9})/(?:(?P<root>root)|cwd)(?=/)")
"""Links of the Linux kernel that every process has; they are not resolved."""
_OF_A_FILE: Final = re.compile(r"(?i)(?!file:|https?:|wss?:)[a-z][a-z0-9+.-]{0,32}://[^/]{0,256}(?=/)")
_QUOTED_PART: Final = re.compile(r"[\w.~}][\"']/|/[\"'][\w.]")
_UNQUOTED: Final = str.maketrans("", "", "\"'")
_HOME: Final = re.compile(r"(?<![\w/~.-])~(?![\w/~.-])")
_FOLDER, _EXCLUDED = 1, 2
_LONGEST_HEAD: Final = 256
_SHORT_TEXT: Final = 1024
_LONGEST_COMMAND: Final = 65_536
_LONGEST_NAME: Final = 256
_FEW: Final = 8
_WILD: Final = re.compile(r"[*?\[]")
_CHOICE: Final = re.compile(r"\[[^\]]*\]?")
_SHELL_WILD: Final = re.compile(r"[*?\[{]")
_FOLDS: Final = sys.platform in {"darwin", "win32"}
_WINDOWS_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_OWN_COLON: Final = re.compile(r"(?:file|[A-Z]):", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"(?!file:)\b[a-z][a-z0-9+.-]+://\S*|\bdata:\S*", re.IGNORECASE)
_ROOTED: Final = re.compile(
    r"/[^/]|~[\w.-]*[/\\]|\.\.?[/\\]|[A-Za-z]:[\\/]|file:/|\$(?:HOME|\{HOME\})[/\\]", re.IGNORECASE
)


class ExcludedPaths:
    """Patterns of files, compared with the text of paths: `~`, `$HOME`, `..` and `file:` are resolved.

    Args:
        patterns: as `privacy.excluded_paths`. `*` matches any characters, also `/`; a folder matches everything in it;
            a pattern without `/` is compared with each part of a path. Symbolic links are resolved once, here: those in
            a pattern itself, and those inside an excluded folder.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._some = bool(patterns)
        self._here = _Here() if patterns else _NOWHERE
        names: list[str] = []
        places: list[str] = []
        for pattern in patterns:
            written = pattern.strip()
            (places if "/" in written or "\\" in written or written.startswith("~") else names).append(
                written
            )
        self._name = _compiled(names, "")
        forms = {form for place in places for form in _forms(place, self._here)}
        forms |= {target for form in sorted(forms) for target in _linked_from(form)}
        self._place = _compiled(sorted(forms), r"(?:/.*)?")
        self._whole = _compiled(sorted({found for form in forms if (found := _folder_of(form))}), "")
        # Locations without a wild card: of a file, or of a folder that is excluded completely.
        known = {_folder_of(form) or form for form in forms}
        self._known = sorted(each for each in known if not _WILD.search(each))
        self._apart = [
            _Apart(each, depth) for each in self._known for depth in (1, 2) if each.count("/") > depth
        ]
        self._escaped_hint: re.Pattern[str] | None = None
        self._parts: dict[str, re.Pattern[str]] = {}
        self._hint = self._hint_of(names, sorted(forms))
        self._answers: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Return whether any file is excluded."""
        return self._some

    def _hint_of(self, names: Sequence[str], forms: Sequence[str]) -> "re.Pattern[str] | None":
        """Return a search for the parts that name excluded files, None if any word can name one."""
        parts: set[str] = set()
        for name in names:
            parts.add(max(_WILD.split(_CHOICE.sub("*", name)), key=len, default=""))
        for form in forms:
            parts.add(self._part_of(form))
        if not all(len(part) > 1 for part in parts):
            return None
        # A part that is contained in another one needs no separate search.
        needed = [part for part in parts if not any(other != part and other in part for other in parts)]
        case = re.IGNORECASE if _FOLDS else 0
        self._escaped_hint = re.compile(_escapable(sorted(needed)), case)
        if not _FOLDS and len(needed) <= _FEW:
            self._parts = {part: re.compile(re.escape(part)) for part in sorted(needed)}
        return re.compile("|".join(map(re.escape, sorted(needed))), case)

    def _part_of(self, form: str) -> str:
        """Return the last literal part of a location that is not also part of the home or the working directory."""
        literal = _WILD.split(form)[0]
        if literal != form:
            literal = literal.rpartition("/")[0]
        for start in (self._here.folder, self._here.home):
            if f"{start}/".startswith(f"{literal}/"):
                return ""
        return literal.rpartition("/")[2]

    def matches(self, path: str) -> bool:
        """Return whether a path is excluded: absolute, relative to the working directory, or a `file:` address."""
        return self._level(path) == _EXCLUDED

    def _level(self, path: str) -> int:
        """Return `_EXCLUDED`, `_FOLDER` for a folder that is excluded completely, or 0."""
        if not self._some or not path or len(path) > _LONGEST or "\0" in path:
            return 0
        answer = self._answers.get(path)
        if answer is None:
            answer = self._judge(path)
            if len(self._answers) >= _REMEMBERED:
                self._answers = {}
            self._answers[path] = answer
        return answer

    def _judge(self, path: str) -> int:
        plain = self._here.plain(path)
        found = 0
        for form in (plain, plain.replace("\\", "/")) if "\\" in plain else (plain,):
            found = max(found, self._fits(self._here.absolute(form)))
            if found == _EXCLUDED:
                break
        return found

    def _fits(self, path: str) -> int:
        if (self._place is not None and self._place.fullmatch(path)) or (
            self._name is not None and any(map(self._name.fullmatch, path.split("/")))
        ):
            return _EXCLUDED
        return _FOLDER if self._whole is not None and self._whole.fullmatch(path) else 0

    def may_name(self, text: str) -> bool:
        """Return False for a text that certainly names no excluded file."""
        if self._hint is None:
            return "/" in text or "\\" in text or "%2" in text or "~" in text or self._name is not None
        # Substring searches take a tenth of the time of a pattern for several texts.
        parts = self._parts
        if not parts:
            if self._hint.search(text) is not None:
                return True
        else:
            # A generator would take longer than the searches in a short text.
            for part in parts:
                if part in text:
                    return True
        return "%" in text and any(self._escaped(text))

    def named_among(self, texts: Collection[str]) -> set[str]:
        """Return those of some texts for which `may_name` is true."""
        joined = "\n".join(texts)
        if not self.may_name(joined):
            return set()
        if not self._parts or ("%" in joined and any(self._escaped(joined))):
            return set(filter(self.may_name, texts))
        return {text for part in self._parts if part in joined for text in texts if part in text}

    def _escaped(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield the words of a text that contain a part of an excluded path only after decoding."""
        if self._hint is not None and self._escaped_hint is not None:
            for start, word in _words_around(text, self._escaped_hint):
                if self._hint.search(word) is None and self._hint.search(unquote(word)) is not None:
                    yield start, word

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where a text names excluded files."""
        if not self._some or not self.may_name(text):
            return
        some = False
        for start, word in self._words_near(text):
            # A colon may belong to the path (`file://`, `C:`), or precede or follow it (`host:path`, `path:12`).
            for begin, part in _parts(word):
                if self.matches(part):
                    yield start + begin, start + begin + len(part)
                    some = True
                    break
        if not some and " " in text and len(text) <= _SHORT_TEXT and self.matches(text.strip()):
            # One path, with blanks in it.
            yield 0, len(text)

    def reads(self, text: str) -> bool:
        """Return whether a text of a call refers to excluded files: by their names, their folder or a wild card."""
        if not self._some:
            return False
        if len(text) <= _LONGEST_NAME and "/" not in text and self._level(text):
            return True  # a name in the working directory
        near = self.may_name(text)
        if near or ("/" in text and _SHELL_WILD.search(text)):
            for _, word in self._words(text):
                for _, part in _parts(word):
                    if (near and self._level(part)) or self._covers(part):
                        return True
        if near and " " in text and len(text) <= _SHORT_TEXT and self._level(text.strip()):
            return True
        if len(text) <= _LONGEST_COMMAND and _QUOTED_PART.search(text):
            # A shell joins adjacent texts: `"$HOME"/.ssh`.
            return self.reads(text.translate(_UNQUOTED))
        return False

    def reads_apart(self, texts: Sequence[str]) -> bool:
        """Return whether the texts of one call name a folder and, separately, an excluded file in it."""
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
        if folder == self._here.home and _HOME.search(text):
            return True
        for word in _TOKEN.finditer(text):
            for _, part in _parts(word[0]) if "/" in word[0] or "\\" in word[0] else ():
                if self._here.absolute(self._here.plain(part).replace("\\", "/")) == folder:
                    return True
        return False

    def _covers(self, path: str) -> bool:
        """Return whether a path with wild cards, read as a shell does, can match an excluded one."""
        if "/" not in path or len(path) > _SHORT_TEXT or not _SHELL_WILD.search(path):
            return False
        # A shell reads several wild cards in a row as one, and a pattern with many would take long.
        lexical = self._here.absolute(self._here.plain(path))
        if lexical.count("*") > _MOST_STARS:
            return True
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
        """Yield the words of a text that can be paths: those with a slash, or all if names alone are excluded."""
        if self._name is not None:
            for word in _TOKEN.finditer(text):
                yield word.start(), word[0]
        elif "/" in text or "\\" in text or "%2" in text:
            yield from _words_around(text, _SLASH)

    def _words_near(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield the words of a text that contain a part of an excluded path; all possible paths without such a part."""
        if self._hint is None:
            yield from self._words(text)
            return
        named = [pattern for part, pattern in self._parts.items() if part in text]
        yield from _words_around(text, named[0] if len(named) == 1 else self._hint)
        if "%" in text:
            yield from self._escaped(text)


_MOST_STARS: Final = 16
"""Maximum wild cards of one path that are compared; a path with more counts as one that matches anything."""


class _Here:
    """The working directory and the home at the time when the configuration was loaded."""

    def __init__(self, folder: str | None = None, home: str | None = None) -> None:
        self.folder = (os.getcwd() if folder is None else folder).rstrip("/")  # noqa: PTH109 - a text is needed
        self.home = (os.path.expanduser("~") if home is None else home).rstrip("/\\")  # noqa: PTH111 - no error
        self._users = {"~"}
        # Another user's home would need a lookup, maybe in a directory service.
        self._users |= {
            f"~{name}" for key in ("USER", "LOGNAME", "USERNAME") if (name := os.environ.get(key))
        }

    def plain(self, path: str) -> str:
        """Return a path without the parts of an address around it, and with `~` for each spelling of the home."""
        path = _plain(path)
        if path[:6] == "/proc/" and (process := _PROCESS.match(path)) is not None:
            path = path[process.end() :] if process["root"] else self.folder + path[process.end() :]
        for home in ("$HOME", "${HOME}", "%USERPROFILE%"):
            if path.startswith(home):
                return "~" + path[len(home) :]
        return path

    def absolute(self, path: str) -> str:
        """Return an absolute path, without `.`, `..`, `~` and double slashes."""
        if path[:1] == "/" and "/." not in path and "//" not in path and path[-1] != "/":
            return path
        if path[:1] == "~":
            user, slash, rest = path.replace("\\", "/").partition("/")
            if user in self._users:
                path = f"{self.home}{slash}{rest}"
        # An absolute path, or one with a drive, does not depend on the working directory.
        plain = os.path.normpath(os.path.join(self.folder or "/", path))  # noqa: PTH118 - texts, not paths
        # POSIX allows two slashes at the beginning to have a meaning of their own; no known system uses that.
        return plain[1:] if plain[:2] == "//" and sys.platform != "win32" else plain


_NOWHERE: Final = _Here("/", "/")


def _words_around(text: str, sign: "re.Pattern[str]") -> Iterator[tuple[int, str]]:
    """Yield each word of a text that contains a match of `sign`, once."""
    behind = 0
    at = sign.search(text)
    while at is not None:
        low = max(behind, at.start() - _LONGEST_HEAD)
        before = _TOKEN.match(text[low : at.start()][::-1])
        start = at.start() - (len(before[0]) if before is not None else 0)
        whole = _TOKEN.match(text, start)
        behind = at.end()
        if whole is not None:
            behind = max(behind, whole.end())
            yield start, whole[0]
        at = sign.search(text, behind)


def paths_in(text: str) -> Iterator[str]:
    """Yield the certain paths in a text: from a root, the home or this folder (`./`), or a `file:` address.

    A word with a slash in it (`and/or`, `text/html`) may be anything, and addresses of other kinds are not files.
    """
    for word in _TOKEN.finditer(_ADDRESS.sub(" ", text)):
        rooted = [part for _, part in _parts(word[0]) if _ROOTED.match(part)]
        # A word with a colon is several paths (`/from:/to`, `/a/file:12`), unless the colon belongs to the path.
        whole = bool(rooted) and _OWN_COLON.match(rooted[0]) is not None
        single = rooted[:1] if whole else [part for part in rooted if ":" not in part]
        yield from dict.fromkeys(map(as_path, single))


def as_path(text: str) -> str:
    """Return a path unchanged, or the path of a `file:` address.

    For an address of another kind, return an empty text.
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
    """Return a path without the parts of an address around it."""
    if path[:5].lower() == "file:":
        path = path[5:]
        if path.startswith("//"):
            host, slash, rest = path[2:].partition("/")
            path = f"/{rest}" if slash and host.lower() in {"", "localhost", "127.0.0.1"} else path[2:]
        path = path.partition("?")[0].partition("#")[0]
    if "%" in path:
        path = unquote(path)
    return path


def _forms(pattern: str, here: _Here) -> Iterator[str]:
    """Yield a pattern unchanged, and with the part before the first wild card resolved by the system."""
    plain = here.absolute(pattern.replace("\\", "/") if not _WINDOWS_DRIVE.match(pattern) else pattern)
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


def _linked_from(form: str) -> Iterator[str]:
    """Yield the targets of links inside an excluded folder; nothing if the folder cannot be read."""
    folder = _folder_of(form) or form
    if _WILD.search(folder):
        return
    try:
        with os.scandir(folder) as entries:
            links = [
                entry.path
                for entry, _ in zip(entries, range(_MOST_LINKS), strict=False)
                if entry.is_symlink()
            ]
    except (OSError, ValueError):
        return
    for link in links:
        try:
            target = str(Path(link).resolve())
        except (OSError, RuntimeError, ValueError):
            continue
        if target.count("/") > 1 and not target.startswith(f"{folder}/"):
            yield target


def _folder_of(form: str) -> str:
    """Return the folder of a pattern for everything in it, `/a/*` or `/a/**`; an empty text for another pattern."""
    folder, _, last = form.rpartition("/")
    return folder if last in {"*", "**"} else ""


class _Apart:
    """A known location in two parts: its folder, and its last one or two parts, as they may be separate in a text."""

    def __init__(self, place: str, depth: int) -> None:
        parts = place.split("/")
        self.folder = "/".join(parts[:-depth])
        self.name = parts[-1]
        behind = re.escape("/".join(parts[-depth:]))
        self.behind = re.compile(rf"(?<![\w/~.-])(?:\./)*{behind}(?![\w-]|\.\w)")


def _escapable(parts: Sequence[str]) -> str:
    """Return a pattern for parts of paths with at least one percent-encoded character, at which it begins."""

    def escape(char: str) -> str:
        digits = "".join(f"%{byte:02x}" for byte in char.encode())
        return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)

    return "%(?:{})".format(
        "|".join(
            f"(?<={re.escape(part[:place])}%){escape(char)[1:]}"
            + "".join(f"(?:{re.escape(each)}|{escape(each)})" for each in part[place + 1 :])
            for part in parts
            for place, char in enumerate(part)
        )
    )


def _shell_match(name: str, pattern: str) -> bool:
    """Return whether a part of a path matches a pattern; as in a shell, `*` does not match a dot at the beginning."""
    if name == pattern:
        return True
    if name[:1] == "." and pattern[:1] != ".":
        return False
    return re.match(translate(pattern), name, re.IGNORECASE if _FOLDS else 0) is not None


def _compiled(patterns: Sequence[str], behind: str) -> re.Pattern[str] | None:
    if not patterns:
        return None
    # `**` of other programs is `*` here.
    joined = "|".join(f"(?:{translate(re.sub(r'[*]{2,}', '*', each))[:-2]}){behind}" for each in patterns)
    return re.compile(f"(?:{joined})", re.DOTALL | (re.IGNORECASE if _FOLDS else 0))
