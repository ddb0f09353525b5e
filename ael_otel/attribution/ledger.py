"""The ledger of lines in a run store: changes of files, and contents of files with the author of each line.

Works on every SQL backend of the store. Contents are stored as hashes. Lines are looked up by content, so that commits,
rebases, squashes and checkouts change nothing.
"""

# ruff: noqa: S608 - only names from this module are put into statements; values are parameters

import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from ael_otel.attribution.carrying import Authors, Known, resolve, settle
from ael_otel.attribution.changes import MAX_FILES, MAX_UNACCOUNTED, Author, Change
from ael_otel.attribution.lines import Hashes, is_distinctive
from ael_otel.store.database import Database, Transaction

MAX_VERSIONS: Final = 64
"""Maximum number of contents per file; the oldest are deleted first."""

MAX_VERSION_BYTES: Final = 1024 * 1024
_LEAST_VERSIONS: Final = 4
_ALL_PAIRS: Final = 400
"""Maximum number of line pairs that are all samples of a content; of more, one in four is."""

_MAX_SAMPLES: Final = 2_000
_LOOKED_UP: Final = 200
_OTHER_FILES: Final = 8
"""Maximum number of contents of other files that are searched for lines."""

_AT_ONCE: Final = 500


class Version(NamedTuple):
    """A content of a file at a time (microseconds since 1970), and the author of each line."""

    repository: str
    path: str
    at_us: int
    hashes: Hashes
    authors: Sequence[Author]

    @classmethod
    def of(
        cls, repository: str, path: str, at_us: int, lines: Iterable[str], authors: Sequence[Author]
    ) -> "Version":
        """Return a version of a file with these lines."""
        return cls(repository, path, at_us, Hashes.of(lines), authors)


class Ledger:
    """The ledger in a database.

    Args:
        database: a SQL backend of the run store.
        redact: applied to names of folders and files before they are stored and before they are looked up.
    """

    def __init__(self, database: Database, redact: Callable[[str], str] = lambda text: text) -> None:
        self._database = database
        self._redact = redact

    # --- writing ------------------------------------------------------------------------------------------------------

    def record(self, change: Change, versions: Iterable[Version] = ()) -> bool:
        """Store a change and the contents that it led to; return False if the change is already stored.

        Raises:
            StoreError: the store cannot be written now; nothing was stored.
        """
        return self.record_all([change], versions) == 1

    def record_all(self, changes: Iterable[Change], versions: Iterable[Version] = ()) -> int:
        """Store changes and contents in one transaction; return how many of the changes were new."""
        new = 0
        with self._database.transaction() as transaction:
            for change in changes:
                new += self._put_change(transaction, self._redacted(change))
            for version in versions:
                self._put_version(transaction, version)
        return new

    def _redacted(self, change: Change) -> Change:
        def path(text: str | None) -> str | None:
            return None if text is None else self._redact(text)

        return replace(
            change,
            repository=self._redact(change.repository),
            workspace=self._redact(change.workspace),
            files=[
                replace(each, path=self._redact(each.path), path_before=path(each.path_before))
                for each in change.files[:MAX_FILES]
            ],
            unaccounted=[
                replace(each, path=self._redact(each.path)) for each in change.unaccounted[:MAX_UNACCOUNTED]
            ],
        )

    def _put_change(self, transaction: Transaction, change: Change) -> int:
        number = change.id
        if transaction.rows("SELECT 1 FROM attribution_changes WHERE id = ?", [number]):
            return 0
        transaction.insert(
            "attribution_changes",
            "id, at_us, repository, contributor, agent, session_id, execution_id, trace_id, body",
            [
                (
                    number,
                    change.at_us,
                    change.repository,
                    change.contributor,
                    change.agent,
                    change.session_id,
                    change.execution_id,
                    change.trace_id,
                    msgspec.json.encode(change).decode(),
                )
            ],
        )
        paths = [
            path for file in change.files for path in dict.fromkeys((file.path, file.path_before)) if path
        ]
        if paths:
            transaction.insert(
                "attribution_files",
                "change, position, path",
                [(number, position, path) for position, path in enumerate(paths)],
            )
        return 1

    def _put_version(self, transaction: Transaction, version: Version) -> None:
        repository, path = self._redact(version.repository), self._redact(version.path)
        number = _version_id(repository, path, version.hashes)
        transaction.run(
            "INSERT INTO attribution_versions (id, repository, path, at_us, hashes, authors)"
            " VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET at_us = excluded.at_us, authors = excluded.authors"
            " WHERE attribution_versions.at_us <= excluded.at_us",
            [
                number,
                repository,
                path,
                version.at_us,
                _hashes_text(version.hashes),
                _authors_text(version.authors),
            ],
        )
        samples = sorted(_pairs(version.hashes, version.authors))
        if len(samples) > _ALL_PAIRS:
            samples = list(filter(_is_sample, samples))[:_MAX_SAMPLES]
        if samples:
            transaction.many(
                "INSERT INTO attribution_sketches (hash, version) VALUES (?, ?) ON CONFLICT DO NOTHING",
                [(sample, number) for sample in samples],
            )
        most = max(_LEAST_VERSIONS, min(MAX_VERSIONS, MAX_VERSION_BYTES // (11 * len(version.hashes) + 100)))
        old = transaction.rows(
            "SELECT id FROM attribution_versions WHERE repository = ? AND path = ?"
            " ORDER BY at_us DESC, id LIMIT ? OFFSET ?",
            [repository, path, _AT_ONCE, most],
        )
        if old:
            condition, ids = self._database.among("id", [number for (number,) in old])
            transaction.run(f"DELETE FROM attribution_versions WHERE {condition}", [ids])

    # --- reading ------------------------------------------------------------------------------------------------------

    def by_ids(self, ids: Collection[int]) -> dict[int, Change]:
        """Return changes by their ids, without those that were pruned."""
        found: dict[int, Change] = {}
        wanted = sorted(set(ids))
        for start in range(0, len(wanted), _AT_ONCE):
            condition, values = self._database.among("id", wanted[start : start + _AT_ONCE])
            for number, body in self._database.read(
                f"SELECT id, body FROM attribution_changes WHERE {condition}", [values]
            ):
                if (change := _change(body)) is not None:
                    found[number] = change
        return found

    def changes(
        self,
        *,
        repository: str | None = None,
        path: str | None = None,
        agent: str | None = None,
        session_id: str | None = None,
        execution_id: str | None = None,
        trace_id: str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
        limit: int | None = None,
    ) -> list[Change]:
        """Return changes, the latest first.

        Args:
            repository: only in this repository.
            path: only those of this file, under its name then or an earlier one.
            agent: only of this agent.
            session_id: only of this session.
            execution_id: only of this run.
            trace_id: only of this trace.
            since_us: at this time or later, in microseconds since 1970.
            until_us: before this time.
            limit: how many at most; None for all.
        """
        parts: list[str] = []
        parameters: list[Any] = []

        def add(condition: str, value: Any) -> None:
            if value is not None:
                parts.append(condition)
                parameters.append(value)

        add("c.repository = ?", None if repository is None else self._redact(repository))
        add("c.agent = ?", agent)
        add("c.session_id = ?", session_id)
        add("c.execution_id = ?", execution_id)
        add("c.trace_id = ?", trace_id)
        add("c.at_us >= ?", since_us)
        add("c.at_us < ?", until_us)
        add(
            "EXISTS (SELECT 1 FROM attribution_files f WHERE f.change = c.id AND f.path = ?)",
            None if path is None else self._redact(path),
        )
        where = f" WHERE {' AND '.join(parts)}" if parts else ""
        sql = f"SELECT c.body FROM attribution_changes c{where} ORDER BY c.at_us DESC, c.id DESC"
        if limit is not None:
            sql += " LIMIT ?"
            parameters.append(limit)
        return [
            change
            for (body,) in self._database.read(sql, parameters)
            if (change := _change(body)) is not None
        ]

    def versions(self, repository: str, path: str) -> list[Known]:
        """Return the recorded contents of a file, latest first."""
        rows = self._database.read(
            "SELECT hashes, authors FROM attribution_versions WHERE repository = ? AND path = ?"
            " ORDER BY at_us DESC, id LIMIT ?",
            [self._redact(repository), self._redact(path), MAX_VERSIONS],
        )
        return [known for row in rows if (known := _known(*row)) is not None]

    def authors(self, repository: str, path: str, hashes: Hashes) -> Authors:
        """Return the author of each line of a content, from recorded contents; None if none had the line.

        Contents of the file itself count first. The remaining lines are searched for in other files: the file was
        renamed, or blocks of it were moved.
        """
        authors = resolve(hashes, self.versions(repository, path))
        if any(author is None for author in authors):
            self._elsewhere(repository, path, hashes, authors)
        return authors

    def _elsewhere(self, repository: str, path: str, hashes: Hashes, authors: Authors) -> None:
        open_lines = [at for at, author in enumerate(authors) if author is None]
        pairs = sorted(_pairs(hashes, None, set(open_lines)))
        if not pairs:
            return
        samples = pairs if len(pairs) <= _ALL_PAIRS else list(filter(_is_sample, pairs)) or pairs
        step = max(1, len(samples) // _LOOKED_UP)
        condition, values = self._database.among("s.hash", samples[::step][:_LOOKED_UP])
        rows = self._database.read(
            "SELECT v.hashes, v.authors, count(*) FROM attribution_sketches s"
            " JOIN attribution_versions v ON v.id = s.version"
            f" WHERE {condition} AND v.repository = ? AND v.path <> ?"
            " GROUP BY v.id, v.hashes, v.authors, v.at_us ORDER BY 3 DESC, v.at_us DESC LIMIT ?",
            [values, self._redact(repository), self._redact(path), _OTHER_FILES],
        )
        others = [known for row in rows if (known := _known(row[0], row[1])) is not None]
        if not others:
            return
        if len(open_lines) == len(hashes):
            for at, author in enumerate(resolve(hashes, others)):
                authors[at] = author
        else:
            settle(hashes, authors, others)


def _version_id(repository: str, path: str, hashes: Hashes) -> int:
    digest = sha256(f"version\0{repository}\0{path}\0".encode("utf-8", "replace"))
    digest.update(hashes.exact.tobytes())
    return int.from_bytes(digest.digest()[:8]) >> 2


def _pairs(
    hashes: Hashes, authors: Sequence[Author] | None, among: Collection[int] | None = None
) -> set[int]:
    """Return hashes of pairs of neighbouring distinctive lines that have an author, or that are in `among`."""
    loose = hashes.loose
    places = [at for at, value in enumerate(loose) if is_distinctive(value)]
    return {
        ((loose[at] << 31) ^ (loose[after] >> 1)) & (2**62 - 1)
        for at, after in pairwise(places)
        if (authors is None or authors[at] or authors[after])
        and (among is None or at in among or after in among)
    }


def _is_sample(pair: int) -> bool:
    return pair % 61 % 4 == 0


def _change(body: str) -> Change | None:
    """Return a stored change, None if its row is damaged."""
    try:
        return msgspec.json.decode(body, type=Change)
    except (msgspec.MsgspecError, TypeError, UnicodeDecodeError):
        return None


def _hashes_text(hashes: Hashes) -> str:
    both = array("I", hashes.exact)
    both.extend(hashes.loose)
    if sys.byteorder == "big":
        both.byteswap()
    return b64encode(both.tobytes()).decode()


def _authors_text(authors: Sequence[Author]) -> str:
    """Return authors as JSON: a list of blocks, each the number of lines and the ids of changes."""
    runs: list[list[int]] = []
    last: Author | None = None
    for author in authors:
        if author == last:
            runs[-1][0] += 1
        else:
            runs.append([1, *author])
            last = author
    return msgspec.json.encode(runs).decode()


def _known(hashes: str, authors: str) -> Known | None:
    """Return a stored content, None if its row is damaged."""
    with suppress(ValueError, TypeError, msgspec.MsgspecError, UnicodeDecodeError):
        both = array("I")
        both.frombytes(b64decode(hashes, validate=True))
        if sys.byteorder == "big":
            both.byteswap()
        half = len(both) // 2
        runs = msgspec.json.decode(authors, type=list[list[int]])
        if len(both) == 2 * half == 2 * sum(max(0, run[0]) for run in runs if run):
            owners = [tuple(run[1:]) for run in runs if run for _ in range(run[0])]
            return Known(Hashes(both[:half], both[half:]), owners)
    return None
