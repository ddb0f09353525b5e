"""The versions at the last start, stored beside the run store: a start with other versions emits an event."""

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

from ael_otel._generated import attributes as attr
from ael_otel._generated.emitters import emit_version_change
from ael_otel.config import Settings
from ael_otel.core.redaction import active_redaction
from ael_otel.errors import AelOtelError
from ael_otel.sdk.resource import AelResourceDetector
from ael_otel.store.files import make_store_folder, write_file
from ael_otel.store.location import DEFAULT_PATH, locate

SUFFIX: Final = ".started.json"
"""Suffix of the file, after the name of the store's file; a PostgreSQL store uses the default path."""

_LONGEST: Final = 200

# A logger outside the `ael_otel` hierarchy: this line goes out by OTLP too.
logger = logging.getLogger("ael.telemetry")


def note_start(settings: Settings) -> None:
    """Log an event if the version of this package or of the engine has changed since the last start; store the new
    ones.

    With the memory store nothing is stored. A file that cannot be read or written is ignored: the next start tries
    again.
    """
    if not settings.enabled or settings.store.backend == "memory":
        return
    found = AelResourceDetector().detect().attributes
    now = {
        "ael_otel": str(found[attr.AEL_OTEL_VERSION]),
        "engine": str(found.get(attr.AEL_ENGINE_VERSION, "")),
    }
    store = locate(settings.store.path if settings.store.backend == "sqlite" else DEFAULT_PATH)
    path = store.with_name(store.name + SUFFIX)
    before = _read(path)
    if before == now:
        return
    with suppress(OSError, AelOtelError):
        make_store_folder(path.parent)
        write_file(path, [json.dumps(now).encode()])
    if before is None:
        return
    changes = [
        f"{name} {before[key] or 'none'} -> {now[key] or 'none'}"
        for key, name in (("ael_otel", "ael-otel"), ("engine", "engine"))
        if before[key] != now[key]
    ]
    emit_version_change(
        logger,
        logging.INFO,
        f"started with another version: {', '.join(changes)}",
        component="telemetry",
        otel_previous_version=before["ael_otel"],
        engine_previous_version=before["engine"] or None,
    )


def _read(path: Path) -> dict[str, str] | None:
    """Return the versions of the last start; None if the file has no usable content."""
    try:
        data: object = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    kept = cast("dict[str, Any]", data)
    # Other users may have written to the file, and its content goes out as telemetry.
    shown = {
        name: active_redaction().text(str(kept.get(name, ""))[:_LONGEST]) for name in ("ael_otel", "engine")
    }
    return shown if shown["ael_otel"] else None
