"""Decide whether the parameters of a call refer to excluded files."""

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any, Final, cast

from ael_otel.privacy.paths import ExcludedPaths
from ael_otel.privacy.values import MAX_DEPTH, SCALARS

_FOLDERS: Final = frozenset(
    {"cwd", "dir", "directory", "folder", "root", "base", "workdir", "working_directory"}
)


class ExcludedCalls:
    """Decides which calls refer to excluded files.

    Args:
        paths: the excluded files.
    """

    def __init__(self, paths: ExcludedPaths) -> None:
        self._paths = paths

    def reads(self, value: Any) -> bool:
        """Return whether parameters of a call name excluded files, together or in one text."""
        if not self._paths:
            return False
        texts: list[str] = []
        return self._any(value, 0, set(), texts) or self._paths.reads_apart(texts)

    def _any(self, value: Any, depth: int, seen: set[int], texts: list[str]) -> bool:
        # Exact types first: checking an abstract class takes longer than everything else.
        kind = cast("type[object]", type(value))
        if kind is str:
            return self._text(value, depth, seen, texts)
        if kind in SCALARS and depth <= MAX_DEPTH:
            return False
        if kind is bytes or isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str):
            return self._text(value, depth, seen, texts)
        if depth > MAX_DEPTH:
            return True
        if id(value) in seen:
            return False
        if kind is dict or isinstance(value, Mapping):
            seen.add(id(cast("object", value)))
            for key, item in cast("Mapping[object, object]", value).items():
                # A parameter's own name is not a file in the working directory.
                if type(key) is str and not self._paths.may_name(key):
                    texts.append(key)
                elif self._any(key, depth + 1, seen, texts):
                    return True
                if self._any(item, depth + 1, seen, texts):
                    return True
            return self._joined(cast("Mapping[object, object]", value))
        if isinstance(value, (list, tuple, set, frozenset)):
            seen.add(id(cast("object", value)))
            return any(self._any(item, depth + 1, seen, texts) for item in cast("Iterable[object]", value))
        if isinstance(value, PurePath):
            return self._text(str(value), depth, seen, texts)
        return False

    def _text(self, text: str, depth: int, seen: set[int], texts: list[str]) -> bool:
        if self._paths.reads(text):
            return True
        if text[:1] in {"{", "["}:
            try:
                return self._any(json.loads(text), depth + 1, seen, texts)
            except (ValueError, RecursionError):
                pass
        texts.append(text)
        return False

    def _joined(self, value: Mapping[Any, Any]) -> bool:
        """Return whether a folder and a name in separate parameters form the path of an excluded file."""
        texts = [item for item in value.values() if isinstance(item, str) and 0 < len(item) <= 512][:8]
        folders = [each for each in texts if "/" in each or each in {"~", ".", ".."}]
        folders += [
            item
            for key, item in value.items()
            if isinstance(item, str) and item not in folders and key in _FOLDERS and 0 < len(item) <= 512
        ]
        return any(
            self._paths.matches(f"{folder}/{name}")
            for folder in folders
            for name in texts
            if name is not folder
        )
