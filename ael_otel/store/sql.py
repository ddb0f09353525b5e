"""The parts that SQLite and PostgreSQL share, in SQL that both accept; parameters are written `?`."""

# ruff: noqa: S608 - only names from this module are put into statements; values are parameters

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from ael_otel.errors import StoreError
from ael_otel.store.base import Backend
from ael_otel.store.codec import UNREADABLE, decode
from ael_otel.store.content import clean
from ael_otel.store.database import Copies, Database, Transaction
from ael_otel.store.model_calls import MODEL_CALL_COLUMNS, ModelCallRow, Repriced, RunModelCall
from ael_otel.store.owner import interrupt, is_gone, now_us
from ael_otel.store.pruning import Pruner
from ael_otel.store.query import EQUALS, DeleteReport, ExecutionSummary, PruneReport, RunQuery, StatsKey
from ael_otel.store.rows import (
    CALL_COLUMNS,
    CALL_STATUSES,
    COLUMNS,
    RUN_STATUSES,
    SUMMARY,
    Row,
    readable,
    row_of,
    selected,
)
from ael_otel.store.stats import Figure
from ael_otel.store.times import FIRST_US, LAST_US, to_us

_COLUMNS: Final = ", ".join(COLUMNS)
_STARTED_AT: Final = SUMMARY.index("started_us")
_SUMMARY: Final = ", ".join(f"e.{name}" for name in SUMMARY)


class AbandonedError(StoreError):
    """The rows are already counted as dropped: the write was undone."""


def _never() -> bool:
    return False


_FIGURE_OF_RUN: Final = selected(
    Figure,
    name="e.workflow_name",
    started_us="e.started_us",
    status="e.status",
    duration_us="e.duration_us",
    bytes="e.bytes",
    context_bytes="0",
)
_FIGURE_OF_CALL: Final = selected(
    Figure,
    name="c.tool_name",
    started_us="0",
    status="c.status",
    duration_us="c.duration_us",
    bytes="c.bytes",
    context_bytes="coalesce(x.bytes, 0)",
)


_RECORDED_BEFORE: Final = """EXISTS (
    SELECT 1 FROM model_calls d
    WHERE d.response = m.response AND (d.execution, d.position) < (m.execution, m.position)
)"""
_MODEL_CALL: Final = ", ".join(
    (
        "e.execution_id, e.workflow_name, e.session_id, e.caller_id, m.position",
        _RECORDED_BEFORE,
        "m.repriced_nano, m.repriced_currency, m.repriced_price",
        *(f"m.{name}" for name in MODEL_CALL_COLUMNS),
    )
)


class SqlBackend(Backend, Database):
    """A store in a database.

    Args:
        copies: copies of the runs outside the database, from which deleted runs are removed too.
    """

    def __init__(self, copies: Copies | None = None) -> None:
        Backend.__init__(self)
        Database.__init__(self, copies)
        self.abandoned: Callable[[], bool] = _never
        """Called before a write is committed; returns whether its rows are counted as dropped already."""

    # --- writing ------------------------------------------------------------------------------------------------------

    def write(self, rows: Sequence[Row]) -> None:
        """Write the rows in one transaction; an earlier state does not replace a run that has ended."""
        latest: dict[str, Row] = {}
        for row in rows:
            before = latest.get(row.head.execution_id)
            if before is None or row.ended or not before.ended:
                latest[row.head.execution_id] = row
        with self.transaction() as transaction:
            condition, ids = self.among("execution_id", list(latest))
            found = transaction.rows(
                f"SELECT execution_id, id, status NOT IN ('pending', 'running') FROM executions WHERE {condition}",
                [ids],
            )
            known = {execution_id: (key, bool(done)) for execution_id, key, done in found}
            self._insert(transaction, [row for each, row in latest.items() if each not in known])
            changed = [
                (known[each][0], row)
                for each, row in latest.items()
                if each in known and (row.ended or not known[each][1])
            ]
            if changed:
                self._replace(transaction, changed)
            if self.abandoned():
                raise AbandonedError("the store was closed before these runs were written")

    def _insert(self, transaction: Transaction, rows: Sequence[Row]) -> None:
        if rows:
            keyed = list(zip(transaction.ids(len(rows)), rows, strict=True))
            transaction.insert("executions", f"id, {_COLUMNS}", [(key, *row.head) for key, row in keyed])
            transaction.insert("bodies", "execution, body", [(key, row.body.decode()) for key, row in keyed])
            self._insert_children(transaction, keyed)

    def _replace(self, transaction: Transaction, rows: Sequence[tuple[int, Row]]) -> None:
        setting = ", ".join(f"{name} = ?" for name in COLUMNS)
        transaction.many(
            f"UPDATE executions SET {setting} WHERE id = ?", [(*row.head, key) for key, row in rows]
        )
        transaction.many(
            "UPDATE bodies SET body = ? WHERE execution = ?", [(row.body.decode(), key) for key, row in rows]
        )
        keys = [(key,) for key, _ in rows]
        transaction.many("DELETE FROM tool_calls WHERE execution = ?", keys)
        transaction.many("DELETE FROM context_bytes WHERE execution = ?", keys)
        transaction.many("DELETE FROM errors WHERE execution = ?", keys)
        transaction.many("DELETE FROM redactions WHERE execution = ?", keys)
        transaction.many("DELETE FROM model_calls WHERE execution = ?", keys)
        self._insert_children(transaction, rows)

    def _insert_children(self, transaction: Transaction, rows: Sequence[tuple[int, Row]]) -> None:
        calls = [(key, position, *call[:-1]) for key, row in rows for position, call in enumerate(row.calls)]
        if calls:
            transaction.insert(
                "tool_calls",
                ", ".join(("execution", "position", *CALL_COLUMNS)),
                calls,
            )
        brought = [
            (key, position, call[-1])
            for key, row in rows
            for position, call in enumerate(row.calls)
            if call[-1]
        ]
        if brought:
            transaction.insert("context_bytes", "execution, position, bytes", brought)
        errors = [(key, code) for key, row in rows if row.errors for code in sorted(row.errors)]
        if errors:
            transaction.insert("errors", "execution, code", errors)
        taken_out = [
            (key, kind, number)
            for key, row in rows
            if row.redactions
            for kind, number in row.redactions.items()
        ]
        if taken_out:
            transaction.insert("redactions", "execution, kind, number", taken_out)
        used = [(key, at, *call) for key, row in rows for at, call in enumerate(row.model_calls)]
        if used:
            transaction.insert("model_calls", ", ".join(("execution", "position", *MODEL_CALL_COLUMNS)), used)

    def reprice(self, execution_id: str, costs: Iterable[tuple[int, Repriced]]) -> None:
        """Write other costs of a run's model calls beside the recorded ones, by position."""
        with self.transaction() as transaction:
            transaction.many(
                "UPDATE model_calls SET repriced_nano = ?, repriced_currency = ?, repriced_price = ?"
                " WHERE position = ? AND execution = (SELECT id FROM executions WHERE execution_id = ?)",
                [(*cost, position, execution_id) for position, cost in costs],
            )

    # --- reading ------------------------------------------------------------------------------------------------------

    def select(
        self, query: RunQuery, after: tuple[int, str] | None, limit: int | None
    ) -> list[ExecutionSummary]:
        """Return up to `limit` runs, newest first, after the run `after`."""
        found: list[ExecutionSummary] = []
        while True:
            where, parameters = self._where(query, after)
            sql = (
                f"SELECT {_SUMMARY} FROM executions e{where} ORDER BY e.started_us DESC, e.execution_id DESC"
            )
            wanted = None if limit is None else limit - len(found)
            if wanted is not None:
                sql += " LIMIT ?"
                parameters.append(wanted)
            rows = self.read(sql, parameters)
            runs = readable(rows, self.damaged, odd_text=self.odd_text)
            found += runs
            # Skipped runs are replaced by further ones: a short page would count as the last.
            if len(runs) == len(rows) or wanted is None or len(rows) < wanted:
                return found
            after = rows[-1][_STARTED_AT], rows[-1][0]

    def count_rows(self, query: RunQuery, after: tuple[int, str] | None, at_most: int | None) -> int:
        """Return the number of matching runs."""
        where, parameters = self._where(query, after)
        if at_most is None:
            return int(self.read(f"SELECT count(*) FROM executions e{where}", parameters)[0][0])
        sql = f"SELECT count(*) FROM (SELECT 1 FROM executions e{where} LIMIT ?) found"
        return int(self.read(sql, [*parameters, at_most])[0][0])

    def bodies(self, execution_ids: Sequence[str]) -> dict[str, bytes]:
        """Return the records of these runs."""
        condition, ids = self.among("e.execution_id", execution_ids)
        found = self.read(
            f"SELECT e.execution_id, b.body FROM executions e JOIN bodies b ON b.execution = e.id WHERE {condition}",
            [ids],
        )
        return {
            execution_id: body.encode() if isinstance(body, str) else bytes(body)
            for execution_id, body in found
        }

    def figures(self, by: StatsKey, query: RunQuery) -> Iterable[Figure]:
        """Return the figures that `stats` sums up."""
        where, parameters = self._where(query, None)
        if by == "tool":
            columns, known = _FIGURE_OF_CALL, CALL_STATUSES
            runs = "JOIN executions e ON e.id = c.execution "
            join = runs if where else ""
            if query.tool is not None:
                where += " AND c.tool_name = ?"
                parameters.append(query.tool)
            calls = (
                "FROM tool_calls c"
                " LEFT JOIN context_bytes x ON x.execution = c.execution AND x.position = c.position "
            )
            sql, named = f"{calls}{join}{where}", f"{calls}{runs}{where}"
        else:
            columns, known = _FIGURE_OF_RUN, RUN_STATUSES
            sql = named = f"FROM executions e{where}"
        rows = self.read(f"SELECT {columns} {sql}", parameters)
        if rows and not _all_sound(rows, known):
            for execution_id, *row in self.read(f"SELECT e.execution_id, {columns} {named}", parameters):
                if not _all_sound([row], known):
                    self.damaged[str(execution_id)] = f"{tuple(row)} are not figures of a run"
            rows = [row for row in rows if _all_sound([row], known)]
        return (Figure(*row) for row in rows)

    def redactions_of(self, query: RunQuery) -> dict[str, int]:
        """Return the result of `redactions`; `query` has no `text`."""
        where, parameters = self._where(query, None)
        join = "JOIN executions e ON e.id = r.execution " if where else ""
        sql = f"SELECT r.kind, sum(r.number) FROM redactions r {join}{where} GROUP BY r.kind"
        return {kind: int(number) for kind, number in self.read(sql, parameters)}

    def model_calls_of(self, query: RunQuery) -> Iterator[RunModelCall]:
        """Return the result of `model_calls`; `query` has no `text`."""
        where, parameters = self._where(query, None)
        for row in self.read(
            f"SELECT {_MODEL_CALL} FROM model_calls m JOIN executions e ON e.id = m.execution{where}"
            " ORDER BY m.at_us, m.execution, m.position",
            parameters,
        ):
            execution_id, workflow, session, caller, position, copy, nano, currency, price, *columns = row
            if not _sound_call(columns):
                self.damaged[str(execution_id)] = f"{tuple(columns)} are not figures of a model call"
                continue
            repriced = None if nano is None and price is None else Repriced(nano, currency, price)
            yield RunModelCall(
                execution_id,
                workflow,
                session,
                caller,
                position,
                ModelCallRow(*columns),
                bool(copy),
                repriced,
            )

    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """Return the execution ids of runs whose execution or trace id begins with `prefix`."""
        prefix = clean(prefix)
        if not prefix:
            return []
        if self.read("SELECT 1 FROM executions WHERE execution_id = ?", [prefix]):
            return [prefix]
        # Ranges use an index; LIKE would read every row.
        ranges = [("execution_id", prefix), ("execution_id", f"exec-{prefix}"), ("trace_id", prefix)]
        condition = " OR ".join(f"({column} >= ? AND {column} < ?)" for column, _ in ranges)
        bounds = [bound for _, start in ranges for bound in (start, f"{start}\U0010ffff")]
        found = self.read(
            f"SELECT execution_id FROM executions WHERE {condition}"
            " ORDER BY started_us DESC, execution_id DESC LIMIT ?",
            [*bounds, limit],
        )
        return [row[0] for row in found]

    def _where(self, query: RunQuery, after: tuple[int, str] | None) -> tuple[str, list[Any]]:
        parts: list[str] = []
        parameters: list[Any] = []

        def add(condition: str, *values: Any) -> None:
            parts.append(condition)
            parameters.extend(values)

        for name, column in EQUALS.items():
            if (value := getattr(query, name)) is not None:
                add(f"e.{column} = ?", clean(value))
        if query.ids is not None:
            parts.append((found := self.among("e.execution_id", [clean(each) for each in query.ids]))[0])
            parameters.append(found[1])
        if query.since is not None:
            add("e.started_us >= ?", to_us(query.since))
        if query.until is not None:
            add("e.started_us < ?", to_us(query.until))
        if query.min_duration_ms is not None:
            add("e.duration_us >= ?", query.min_duration_ms * 1e3)
        if query.tool is not None:
            called = self.json().called(clean(query.tool))
            add(called.sql, *called.parameters)
        if query.error is not None:
            add("e.id IN (SELECT execution FROM errors WHERE code = ?)", clean(query.error))
        if query.with_errors:
            add("e.id IN (SELECT execution FROM errors)")
        if query.text is not None:
            condition, pattern = self.contains("b.body", like(query.text))
            add(f"EXISTS (SELECT 1 FROM bodies b WHERE b.execution = e.id AND {condition})", pattern)
        if query.where is not None:
            from ael_otel.store.where.parsing import parse
            from ael_otel.store.where.scope import scoped
            from ael_otel.store.where.statement import condition as written_in

            written = written_in(scoped(parse(query.where)), self.json(), query.where)
            add(written.sql, *written.parameters)
        if after is not None:
            add("(e.started_us, e.execution_id) < (?, ?)", *after)
        return (f" WHERE {' AND '.join(parts)}" if parts else ""), parameters

    # --- maintenance --------------------------------------------------------------------------------------------------

    def prune(
        self, *, older_than: datetime | None = None, max_mb: int | None = None, dry_run: bool = False
    ) -> PruneReport:
        """Delete runs that started before `older_than`, then the oldest until the store fits `max_mb` MiB."""
        pruner = Pruner(self)
        return pruner.foresee(older_than, max_mb) if dry_run else pruner.prune(older_than, max_mb)

    def delete(self, execution_ids: Iterable[str]) -> DeleteReport:
        """Delete these runs permanently, except unfinished ones."""
        return Pruner(self).delete(list(dict.fromkeys(map(clean, execution_ids))))

    def missing(self, execution_ids: Sequence[str]) -> set[str]:
        """Return which of these runs are not in the store."""
        condition, ids = self.among("e.execution_id", execution_ids)
        found = self.read(f"SELECT e.execution_id FROM executions e WHERE {condition}", [ids])
        return set(execution_ids).difference(each for (each,) in found)

    def remove(self, execution_ids: Sequence[str]) -> None:
        """Delete these runs, whatever their status."""
        with self.transaction() as transaction:
            condition, ids = self.among("execution_id", execution_ids)
            transaction.run(f"DELETE FROM executions WHERE {condition}", [ids])

    def mark_interrupted(self) -> list[str]:
        """Mark the runs whose process has ended as failed; return their ids."""
        found = self.read(
            "SELECT e.execution_id, e.owner, e.started_us FROM executions e WHERE e.status IN ('pending', 'running')"
        )
        now = now_us()
        stale = [
            each
            for each, owner, started in found
            if owner and (type(owner) is not str or type(started) is not int or is_gone(owner, started, now))
        ]
        bodies = self.bodies(stale)
        rows: list[Row] = []
        damaged: list[str] = []
        for execution_id, body in bodies.items():
            try:
                rows.append(row_of(interrupt(decode(body))))
            except UNREADABLE:
                damaged.append(execution_id)
        if rows:
            self.write(rows)
        if damaged:
            # The record itself stays unchanged. With its old status the run could be neither pruned nor deleted.
            with self.transaction() as transaction:
                condition, ids = self.among("execution_id", damaged)
                transaction.run(f"UPDATE executions SET status = 'failed' WHERE {condition}", [ids])
        return sorted(bodies)


def _all_sound(rows: Sequence[Sequence[Any]], statuses: Sequence[str]) -> bool:
    """Return whether rows of figures can be summed up, column by column: SQLite accepts any value in any column."""
    names, starts, found, durations, sizes, contexts = zip(*rows, strict=True)
    return (
        set(map(type, names)) <= {str, type(None)}
        and set(map(type, (*starts, *sizes, *contexts))) <= {int}
        and min(starts) >= FIRST_US
        and max(starts) <= LAST_US
        and set(map(type, durations)) <= {int, type(None)}
        and set(found) <= set(statuses)
    )


_TEXTS: Final = frozenset({"model", "provider", "step", "tool", "agent", "source", "response"}) | {
    "tier",
    "currency",
    "cost_source",
    "price",
}


def _sound_call(columns: Sequence[Any]) -> bool:
    """Return whether texts and numbers of a row are in their columns: SQLite accepts any value in any column."""
    return all(
        isinstance(value, str if name in _TEXTS else int) if value is not None else name in _ABSENT
        for name, value in zip(MODEL_CALL_COLUMNS, columns, strict=True)
    )


_ABSENT: Final = frozenset(MODEL_CALL_COLUMNS) - {"at_us", "source", "cost_source"}


def like(text: str) -> str:
    """Return the LIKE pattern (escape `!`) of a text as it is in a JSON document."""
    inside = msgspec.json.encode(clean(text)).decode()[1:-1]
    for special in "!%_":
        inside = inside.replace(special, f"!{special}")
    return f"%{inside}%"
