"""Attribute what runs of an engine write to files: connect snapshots, ledger, mirror and metric.

Loaded only if `telemetry.attribution.roots` names folders.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import ael_hook
from ael_otel.attribution.changes import Change
from ael_otel.attribution.counted_lines import count_lines
from ael_otel.attribution.engine_calls import KEY, EngineCalls, roots_of
from ael_otel.attribution.engine_snapshots import EngineSnapshots, engine_home
from ael_otel.attribution.ledger import Ledger
from ael_otel.attribution.observations import SeenWorkspace
from ael_otel.attribution.trace_mirror import TraceMirror
from ael_otel.attribution.windows import Attributor
from ael_otel.config import Settings
from ael_otel.core.faults import fault_barrier, logger
from ael_otel.core.metrics import AelMetrics
from ael_otel.core.redaction import active_redaction
from ael_otel.errors import ConfigError, StoreError
from ael_otel.store.factory import mirror_folder, open_database
from ael_otel.store.location import locate
from ael_otel.store.owner import now_us
from ael_otel.store.times import DAY_US, day_of

BACKEND_KEY: Final = "telemetry.store.backend"


def check_roots(settings: Settings) -> tuple[str, ...]:
    """Return the folders whose lines are attributed to runs, none if attribution is off.

    Raises:
        ConfigError: a folder cannot be used, or the store cannot hold lines. The message names the key and what to set.
    """
    configured = settings.attribution
    if not (settings.enabled and configured.enabled and configured.roots):
        return ()
    if settings.store.backend == "memory":
        raise ConfigError(
            f"{KEY} names folders, but {BACKEND_KEY} is memory, which cannot hold lines: set it to sqlite or"
            " postgresql, or remove the folders",
            key=BACKEND_KEY,
        )
    return roots_of(configured.roots)


def watch_calls(settings: Settings, metrics: AelMetrics) -> EngineCalls | None:
    """Return an observer of an engine's calls, with its threads running; None if no folder is named or usable.

    Args:
        settings: the configuration.
        metrics: counts attributed lines.
    """
    try:
        roots = check_roots(settings)
    except ConfigError as error:
        logger.warning("lines are not attributed to runs: %s", error)
        return None
    home = ael_hook.home_folder(os.environ)
    if not roots or not home:
        return None
    here = os.getcwd()  # noqa: PTH109 - a text
    patterns = ael_hook.Excluded(settings.privacy.excluded_paths, here, real=True)

    def excluded(path: str) -> bool:
        return not any(path.startswith(f"{root}/") for root in roots) or patterns.matches(path)

    store = settings.store.dsn
    if settings.store.backend == "sqlite":
        store = str(locate(settings.store.path, environ=os.environ, start=None).resolve())
    book = _Book(settings, metrics, excluded)
    refused = partial(metrics.lost, "attribution", "queue_full")
    snapshots = EngineSnapshots(engine_home(Path(home), store), excluded, book.work, on_refused=refused)
    return EngineCalls(roots, snapshots)


class _Book:
    """Determines changes and stores them in the run store and its mirror; called by one thread at a time."""

    def __init__(self, settings: Settings, metrics: AelMetrics, excluded: Callable[[str], bool]) -> None:
        self._settings = settings
        self._metrics = metrics
        self._excluded = excluded
        self._ledger: Ledger | None = None
        self._attributor: Attributor | None = None
        self._mirror: TraceMirror | None = None
        self._swept = ""
        self._failed = False

    def work(self, seen: SeenWorkspace) -> Sequence[Change]:
        """Record the changes of the calls that have ended."""
        found = seen.observations()
        if unreadable := seen.take_unreadable():
            self._metrics.lost("attribution", "not_understood", unreadable)
        if not found:
            return ()
        try:
            ledger, attributor = self._open()
            changes = attributor.work(seen, now_us())
        except StoreError as error:
            if not self._failed:
                logger.warning("lines of runs wait for the run store: %s", error)
            self._failed = True
            return ()
        except Exception:
            # A failure would repeat: these calls stay without authors; other calls are not affected.
            observations = seen.observations()
            self._metrics.lost(
                "attribution", "internal", sum(each.phase == "before" for each in observations)
            )
            seen.forget(observations)
            raise
        self._failed = False
        with fault_barrier("attribution.count"):
            for key, lines in count_lines(changes).items():
                row = self._metrics.attribution.bind(
                    agent=key.agent, origin="engine", contributor=key.contributor
                )
                row.add(lines=lines)
        self._write(changes, ledger)
        return changes

    def _open(self) -> tuple[Ledger, Attributor]:
        if self._ledger is None or self._attributor is None:
            # A separate connection: that of the store is used by the thread that writes runs.
            self._ledger = Ledger(open_database(self._settings), active_redaction().text)
            self._attributor = Attributor(self._ledger, excluded=self._excluded)
            if self._settings.store.json_mirror:
                self._mirror = TraceMirror(mirror_folder(self._settings, os.environ, None))
        return self._ledger, self._attributor

    def _write(self, changes: Sequence[Change], ledger: Ledger) -> None:
        if self._mirror is None or not changes:
            return
        now = now_us()
        if self._swept != day_of(now):
            self._swept = day_of(now)
            with suppress(OSError):
                self._mirror.remove_before(now - self._settings.retention.days * DAY_US)
        try:
            self._mirror.write(changes, ledger.by_ids)
        except OSError as error:
            logger.warning("the JSON mirror cannot be written, the store has the changes: %s", error.strerror)
