"""The versions of the last start, kept beside the run store: a start with other ones is an event."""

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
"""What the name of the store's file ends in here; a store in PostgreSQL is taken for one at the default path."""

_LONGEST: Final = 200

# Not below `ael_otel`: this line goes out by OTLP too.
logger = logging.getLogger("ael.telemetry")


def note_start(settings: Settings) -> None:
    """Log an event if this package or the engine has another version than at the last start, and keep the new ones.

    Nothing is kept with the memory store. A file that cannot be read or written is passed over: the next start does it.
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
    """Return what the last start has left; None where there is nothing usable."""
    try:
        data: object = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    kept = cast("dict[str, Any]", data)
    # Anybody may have written there, and it goes out as telemetry.
    shown = {
        name: active_redaction().text(str(kept.get(name, ""))[:_LONGEST]) for name in ("ael_otel", "engine")
    }
    return shown if shown["ael_otel"] else None
