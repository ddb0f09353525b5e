"""Wrap the table's targets when their modules are imported, and restore every original.

This module never imports the engine: a hook waits for the application to do it (the import takes a second).
"""

import logging
import sys
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from threading import Lock
from types import ModuleType
from typing import Any, cast

import wrapt

from ael_otel.core.faults import fault_barrier
from ael_otel.instrument.targets import Target

logger = logging.getLogger("ael_otel")


class Wrapping:
    """One round of wrapping; `undo` ends it permanently.

    Args:
        targets: the functions to wrap.
    """

    def __init__(self, targets: Iterable[Target]) -> None:
        self._by_module: dict[str, list[Target]] = defaultdict(list)
        for target in targets:
            self._by_module[target.module].append(target)
        self._originals: list[tuple[Any, str, Any]] = []
        self._wrappers: list[Any] = []
        self._active = True
        self._lock = Lock()
        self.missing: list[Target] = []

    def apply(self) -> None:
        """Wrap the targets in modules that are imported now or later."""
        for module in self._by_module:
            wrapt.register_post_import_hook(self._on_import, module)

    def undo(self) -> None:
        """Restore the originals; hooks that have not fired yet then do nothing."""
        with self._lock:
            self._active = False
            for owner, name, original in reversed(self._originals):
                setattr(owner, name, original)
            self._originals.clear()
            self._wrappers.clear()

    def _on_import(self, module: ModuleType) -> None:
        missing: list[Target] = []
        with self._lock:
            if not self._active:
                return
            for target in self._by_module.get(module.__name__, ()):
                with fault_barrier("wrapping"):
                    if not self._wrap(module, target):
                        missing.append(target)
        if missing:
            self.missing.extend(missing)
            logger.warning(
                "%s %s has no %s: telemetry lacks %s",
                _distribution(module.__name__),
                _version(module.__name__),
                ", ".join(target.attribute for target in missing),
                ", ".join(dict.fromkeys(target.feature for target in missing)),
            )

    def _wrap(self, module: ModuleType, target: Target) -> bool:
        owner: Any = module
        *path, name = target.attribute.split(".")
        for part in path:
            owner = getattr(owner, part, None)
        # Looked up in the owner's own namespace: an inherited method belongs to another target.
        original: Any = None if owner is None else cast("dict[str, Any]", vars(owner)).get(name)
        if original is None:
            return False
        if any(original is wrapper for wrapper in self._wrappers):
            # A name that this module imported from another one after it was wrapped there.
            original = original.__wrapped__
        else:
            self._wrappers.append(wrapt.wrap_function_wrapper(module, target.attribute, target.wrapper))
        self._originals.append((owner, name, original))
        return True


def _distribution(module: str) -> str:
    package = module.partition(".")[0]
    return package if package in ("fastmcp", "mcp", "uvicorn") else "ploston-core"


def _version(module: str) -> str:
    try:
        return version(_distribution(module))
    except PackageNotFoundError:
        package = sys.modules.get(module.partition(".")[0])
        return str(getattr(package, "__version__", "(unknown version)"))
