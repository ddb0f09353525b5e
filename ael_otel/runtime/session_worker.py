"""The worker behind `ael-hook`: stores the spooled events, exports the parts of sessions that ended, and exits when
idle.

A hook starts `python -m ael_otel.runtime.session_worker` if none runs; it outlives the agent. One runs at a time.
Killing it loses nothing: a file of the spool is deleted only after its events are stored, and parts that are not
exported stay in the store.

Store and configuration are the user's own (`~/.ael`, or those of AEL_HOME, AEL_TELEMETRY_DB and AEL_CONFIG_PATH), never
those of the folder that an agent works in: a repository must not choose where telemetry goes.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

import ael_hook
from ael_otel._generated.attributes import SessionOrigin, TelemetryDropReason, TelemetrySignal
from ael_otel.attribution.counted_lines import count_lines
from ael_otel.attribution.ledger import Ledger
from ael_otel.attribution.observations import seen_workspaces
from ael_otel.attribution.trace_mirror import TraceMirror
from ael_otel.attribution.windows import Attributor, Facts
from ael_otel.config import Settings
from ael_otel.config.environment import sdk_disabled
from ael_otel.core.faults import pause
from ael_otel.core.redaction import ActiveRedaction, set_active_redaction
from ael_otel.errors import AelOtelError, StoreError
from ael_otel.export.session_spans import session_spans
from ael_otel.export.span_tree import Span
from ael_otel.lifecycle.recorder import GENAI_OPT_IN, SEMCONV_OPT_IN
from ael_otel.runtime.session_outlets import (
    Drops,
    MetricOutlet,
    Outlet,
    exports_metrics,
    log_outlet,
    span_outlet,
)
from ael_otel.sdk.otel_variables import prepare
from ael_otel.sessions.events import SessionEvent
from ael_otel.sessions.hook_files import user_settings, write_hook_settings
from ael_otel.sessions.ingest import redacted_events
from ael_otel.sessions.session import Limits
from ael_otel.sessions.spool import Spool
from ael_otel.sessions.table import LINES, Happening, SessionTable, TotalKey
from ael_otel.store import open_reader
from ael_otel.store.factory import mirror_folder
from ael_otel.store.owner import now_us
from ael_otel.store.sql import SqlBackend
from ael_otel.store.times import DAY_US

FILES_AT_ONCE: Final = 500
QUIET_S: Final = 20.0
"""Seconds without an event after which the worker exits."""

GATHER_S: Final = 0.5
MAX_GATHER_S: Final = 5.0
REST: Final = 30.0
"""Seconds of pause for each second of CPU time, so that the worker uses 3 % of a core at most."""

AWAY_S: Final = 10.0
LONGEST_AWAY_S: Final = 60.0
"""Seconds without requests to a receiver that did not answer; doubled each time, ignored when the worker exits."""

METRICS_S: Final = 5.0
"""Minimum seconds between two exports of totals, except when the worker exits."""

HOOK_DROPS: Final = "hook_drops"
"""The total of the hooks' counters; of it, only the position up to which they were read is stored."""

HOOK_COUNTS: Final[Mapping[str, tuple[TelemetrySignal, TelemetryDropReason]]] = {
    "drops": ("sessions", "queue_full"),
    "not_understood": ("sessions", "not_understood"),
    "not_looked_at": ("attribution", "internal"),
}
"""Files of the spool in which hooks count, one byte each, and the drop reason for each."""

_OWN_ORIGINS: Final[tuple[SessionOrigin, ...]] = ("hooks",)
"""Sessions that this worker marks as abandoned; an engine's process does it for those of its clients."""

_MIRRORED_US: Final = 3600 * 10**6
"""Maximum age of a change that is mirrored late, because the worker before was killed."""

_LOG_BYTES: Final = 64 * 1024

logger = logging.getLogger("ael_otel.session_worker")


class Worker:
    """Stores and exports the events of a spool.

    Args:
        spool: the spool.
        table: stores the sessions.
        settings: the user's configuration.
        deliver: sends spans; None sends none.
        log: sends log events; None sends none.
        count: sends the totals; None sends none.
        drops: counts what this process drops.
        ledger: stores the authors of lines; None stores none.
        mirror: also writes changes to files; None writes none.
    """

    def __init__(
        self,
        spool: Spool,
        table: SessionTable,
        settings: Settings,
        deliver: Outlet[Span] | None = None,
        *,
        log: Outlet[Happening] | None = None,
        count: MetricOutlet | None = None,
        drops: Drops | None = None,
        ledger: Ledger | None = None,
        mirror: TraceMirror | None = None,
    ) -> None:
        self._spool = spool
        self._table = table
        self._settings = settings
        self._deliver = deliver
        self._log = log
        self._count = count
        self._drops = Drops() if drops is None else drops
        self._not_before: dict[str, float] = {}
        self._away_s: dict[str, float] = {}
        self._counted: object = None
        self._hook_counts: dict[TotalKey, int] | None = None
        self._redaction = ActiveRedaction(settings)
        self._attributor = None if ledger is None else self._attributor_of(ledger)
        self._ledger = ledger
        self._mirror = mirror
        self._mirrored: set[int] = set()
        self._mirror_from_us = now_us() - _MIRRORED_US
        self._genai = GENAI_OPT_IN in os.environ.get(SEMCONV_OPT_IN, "")

    def run(self, quiet_s: float = QUIET_S) -> None:
        """Work until no event has come for `quiet_s` seconds.

        Raises:
            StoreError: the store cannot be written; the events stay in the spool.
        """
        self._spool.sweep(time.time())
        for seen in seen_workspaces(self._spool.home):
            seen.sweep(time.time())
        self._table.expire(origins=_OWN_ORIGINS)
        last, behind = time.monotonic(), True
        while time.monotonic() - last < quiet_s:
            began = time.process_time()
            files = self.store()
            # The first events are stored before what an earlier worker left is sent: somebody may wait to see them.
            if files or behind:
                behind = not self.export(at_once=False)
            if files:
                last = time.monotonic()
            self.attribute()
            if files:
                self.mirror()
            if files < FILES_AT_ONCE:
                # Each batch evaluates the session again: the longer it is, the more events are gathered first.
                pause(min(MAX_GATHER_S, max(GATHER_S, REST * (time.process_time() - began))))
        self.mirror()
        self.export()

    def store(self) -> int:
        """Store the oldest events of the spool; return how many files were processed."""
        batch = self._spool.batch(FILES_AT_ONCE)
        events = redacted_events(
            batch.events,
            self._redaction,
            content=self._settings.sessions.content,
            max_content=self._settings.redaction.max_result_size,
        )
        added = self._table.add(events)
        if added.dropped:
            logger.warning("%d events dropped: their sessions are full", added.dropped)
            self._drops("sessions", "too_large", added.dropped)
        self._drops("sessions", "not_understood", len(batch.bad))
        self.count_drops()  # before the files are deleted: counting twice is better than never
        self._spool.remove(batch.files)
        self._spool.bury(batch.bad)
        return len(batch.files) + len(batch.bad)

    def attribute(self) -> None:
        """Determine who wrote which lines in the calls that have ended."""
        if self._attributor is None:
            return
        for seen in seen_workspaces(self._spool.home):
            try:
                changes = self._attributor.work(seen, now_us())
                lines = count_lines(changes)
                self._table.add_totals(
                    {TotalKey(LINES, key.agent, key.contributor): count for key, count in lines.items()}
                )
            except StoreError:
                raise
            except Exception as error:
                # A failure would repeat: these calls stay without authors; others are not affected.
                reason = self._redaction.text(f"{type(error).__name__}: {error}")
                observations = seen.observations()
                calls = sum(each.phase == "before" for each in observations)
                logger.warning("the lines of %d calls are not attributed: %s", calls, reason)
                self._drops("attribution", "internal", calls)
                self.count_drops()
                seen.forget(observations)
            self._drops("attribution", "not_understood", seen.take_unreadable())

    def mirror(self) -> None:
        """Write the missing files for the changes of the last hour; the store has them even if that fails."""
        if self._mirror is None or self._ledger is None:
            return
        changes = [
            change
            for change in self._ledger.changes(since_us=self._mirror_from_us)
            if change.id not in self._mirrored
        ]
        try:
            self._mirror.write(changes, self._ledger.by_ids)
        except OSError as error:
            logger.warning("the JSON mirror cannot be written, the store has the changes: %s", error.strerror)
        self._mirrored.update(change.id for change in changes)

    def _attributor_of(self, ledger: Ledger) -> Attributor:
        redaction = self._redaction
        patterns = self._settings.privacy.excluded_paths
        excluded = ael_hook.Excluded(patterns, str(self._spool.home), real=True)

        def facts(agent: str, session_id: str) -> Facts:
            for record in self._table.find(session_id):
                if record.agent == agent:
                    return Facts(record.models[-1] if record.models else None, record.agent_version)
            return Facts()

        def clean(event: SessionEvent) -> SessionEvent:
            return redacted_events([event], redaction, content=False)[0]

        return Attributor(ledger, facts, excluded.matches, clean)

    def export(self, *, at_once: bool = True) -> bool:
        """Send what has ended, as spans and log events, and the totals; return whether every signal was tried.

        What the receiver does not accept stays for the next time, or the next worker. Storing waits during an export;
        so, unless `at_once`, a receiver that failed recently is skipped, and after a failure the other signals wait
        until the next time.
        """
        if at_once:
            self._not_before.clear()
        self.count_drops()
        for signal, send in (
            ("traces", self._send_spans),
            ("logs", self._send_log_events),
            ("metrics", self._send_totals),
        ):
            if not self._try(signal, send) and not at_once:
                return False
        return True

    def _try(self, signal: str, send: Callable[[], bool]) -> bool:
        """Send one signal, unless its receiver failed recently; return False if it fails now."""
        if time.monotonic() < self._not_before.get(signal, 0.0):
            return True
        if send():
            self._away_s.pop(signal, None)
            return True
        away_s = self._away_s.get(signal, AWAY_S)
        self._not_before[signal] = time.monotonic() + away_s
        self._away_s[signal] = min(LONGEST_AWAY_S, 2 * away_s)
        return False

    def _send_spans(self) -> bool:
        while self._deliver is not None and (finished := self._table.finished()):
            service = self._settings.service_name
            spans = [
                span
                for each in finished
                for span in session_spans(
                    each.session, each.entries, ends=each.ends, genai=self._genai, service=service
                )
            ]
            if spans and not self._deliver(spans):
                return False
            self.count_drops()
            self._table.exported(finished)
        return True

    def _send_log_events(self) -> bool:
        while self._log is not None and (unlogged := self._table.unlogged()):
            happenings = [happening for each in unlogged for happening in each.happenings]
            if happenings and not self._log(happenings):
                return False
            self.count_drops()
            self._table.exported(unlogged)
        return True

    def _send_totals(self) -> bool:
        if self._count is None:
            return True
        totals = self._table.totals()
        if totals == self._counted or not totals:
            return True
        sent = self._count.send(totals)
        self.count_drops()
        if not sent:
            return False
        self._not_before["metrics"] = time.monotonic() + METRICS_S
        self._table.note_sent(totals)
        self._counted = totals
        return True

    def count_drops(self) -> None:
        """Store the numbers of items dropped here, and of those that hooks have counted since the last time.

        Raises:
            StoreError: the store cannot be written; the worker exits, and the next one counts again.
        """
        if self._hook_counts is None:
            self._hook_counts = self._table.sent()
        read: dict[TotalKey, int] = {}
        for name, (signal, reason) in HOOK_COUNTS.items():
            now, key = self._spool.counted(name), TotalKey(HOOK_DROPS, name, "")
            before = self._hook_counts.get(key, 0)
            if now != before:
                self._drops(signal, reason, max(0, now - before))
                read[key] = now
        drops = self._drops.take()
        if drops or read:
            self._table.count_drops(drops, read)
            self._hook_counts.update(read)


def main() -> int:
    """Run the worker of this user; return the exit code."""
    home = Path(ael_hook.home_folder(os.environ) or "")
    if not home.name:
        return 1
    spool = Spool(home)
    while True:
        with spool.lock() as alone:
            if not alone:
                return 0
            try:
                os.chdir(home)  # the agent's folder may be deleted or unmounted meanwhile
                _log_to(home / "spool" / "worker.log")
                _work(spool)
            except (AelOtelError, OSError) as error:
                logger.error("%s", ActiveRedaction(Settings()).text(str(error)))
                return 1
        # A hook that wrote after the last check did not start a worker, since this one held the lock.
        if not spool.waits():
            return 0


def _mirror(settings: Settings, home: Path) -> TraceMirror | None:
    """Return the mirror of changes, after deleting what is older than the store's retention."""
    if not settings.store.json_mirror:
        return None
    mirror = TraceMirror(mirror_folder(settings, os.environ, home))
    with suppress(OSError):
        mirror.remove_before(now_us() - settings.retention.days * DAY_US)
    return mirror


def _work(spool: Spool) -> None:
    settings = user_settings(spool.home)
    redaction = ActiveRedaction(settings)
    set_active_redaction(redaction)
    with suppress(OSError):
        write_hook_settings(
            spool.home,
            settings.privacy.excluded_paths,
            content=settings.sessions.content,
            attribution=settings.attribution.enabled,
        )
    backend = open_reader(settings, start=spool.home, create=True)
    assert isinstance(backend, SqlBackend)
    try:
        limits = Limits.of(settings)
        prepare(settings, os.environ)
        sends = settings.enabled and not sdk_disabled(os.environ)
        drops = Drops()
        deliver = span_outlet(settings, drops) if sends else None
        log = log_outlet(settings, drops) if sends else None
        counts = sends and exports_metrics(settings)
        table = SessionTable(
            backend, limits, exports=deliver is not None, logs=log is not None, counts=counts
        )
        count: MetricOutlet | None = None
        if counts:
            shared = settings.store.backend == "postgresql"
            count = MetricOutlet(settings, table.totals_id(), table.sent(), drops, shared=shared)
        ledger = Ledger(backend, redaction.text)
        mirror = _mirror(settings, spool.home)
        Worker(
            spool, table, settings, deliver, log=log, count=count, drops=drops, ledger=ledger, mirror=mirror
        ).run()
    finally:
        backend.close()


def _log_to(path: Path) -> None:
    if logging.getLogger().handlers:
        return
    handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    with suppress(OSError):
        path.chmod(0o600)
    logging.getLogger().addHandler(handler)


if __name__ == "__main__":
    sys.exit(main())
