"""Determine who wrote which lines from the snapshots of a workspace around tool calls.

A change between two snapshots is attributed to the calls that were running: one, several (`mixed`), or none (an unknown
author). A call that was denied, or whose end was not observed, gets no lines. Text that was in the repository before a
call is not attributed to it, even if the call checks it out, merges or rebases it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec.structs import replace

from ael_otel.attribution.carrying import (
    Authors,
    Known,
    Text,
    inherit,
    is_renamed,
    moved,
    reflow,
    settle,
    settled,
)
from ael_otel.attribution.changes import (
    Author,
    Change,
    FileChange,
    FileKind,
    LineRange,
    Unaccounted,
    change_id,
)
from ael_otel.attribution.ledger import Ledger, Version
from ael_otel.attribution.lines import content_key, line_ending, range_hash
from ael_otel.attribution.observations import (
    ABSENT,
    STALE_S,
    EngineCall,
    Observation,
    SeenWorkspace,
    Token,
)
from ael_otel.sessions.events import SessionEvent, span_id_of, trace_id_of
from ael_otel.store.owner import is_gone

__all__ = ["Attributor", "Facts", "Window", "windows_of"]

_MAX_SOURCES: Final = 60
"""Maximum number of commits that are searched for a line."""

_MAX_RENAMES: Final = 400


class Window(NamedTuple):
    """One call, with the snapshots before and after it; `after` is None for a call that gets no lines."""

    before: Observation
    after: Observation | None
    until_us: int

    @property
    def inside(self) -> Sequence[str]:
        """The engine's calls that enclose this one; the lines it writes are not theirs."""
        return () if self.before.engine is None else self.before.engine.around

    @property
    def key(self) -> str:
        """The key of its change."""
        event = self.before.event
        return f"{event.agent}:{event.session_id}:{event.call_id or self.before.at_us}"

    def covers(self, path: str) -> bool:
        """Return whether the call may write a file."""
        return self.before.whole or path in self.before.files


class Facts(NamedTuple):
    """Data of a session about its calls that a hook of one call does not get."""

    model: str | None = None
    agent_version: str | None = None


@dataclass
class _Credit:
    """The lines that one window wrote."""

    files: list[FileChange] = field(default_factory=list[FileChange])
    unaccounted: dict[str, str] = field(default_factory=dict[str, str])


def windows_of(
    observations: Sequence[Observation], now_us: int
) -> list[tuple[list[Window], list[Observation]]]:
    """Return groups of overlapping calls with their snapshots, for groups of which all calls have ended."""
    open_calls: dict[tuple[str | None, ...], list[Observation]] = {}
    windows: list[Window] = []
    for each in observations:
        key = _pair(each.event)
        if each.phase == "before":
            open_calls.setdefault(key, []).append(each)
        elif each.phase == "end":
            for other in [one for one in open_calls if one[:2] == key[:2]]:
                windows += [Window(before, None, each.at_us) for before in open_calls.pop(other)]
        elif waiting := open_calls.get(key):
            windows.append(Window(waiting.pop(0), each if each.phase == "after" else None, each.at_us))
    still = [each for waiting in open_calls.values() for each in waiting]
    expired = [each for each in still if now_us - each.at_us > STALE_S * 1e6 or _died(each, now_us)]
    windows += [Window(each, None, each.at_us) for each in expired]
    first_open = min((each.at_us for each in still if each not in expired), default=now_us + 1)
    groups: list[tuple[list[Window], list[Observation]]] = []
    windows.sort(key=lambda each: each.before.at_us)
    last_us = -1
    for window in windows:
        if not groups or window.before.at_us > last_us:
            groups.append(([], []))
        groups[-1][0].append(window)
        last_us = max(last_us, window.until_us)
    ready = [group for group in groups if max(each.until_us for each in group[0]) < first_open]
    for group, seen in ready:
        first, last = group[0].before.at_us, max(each.until_us for each in group)
        seen += [each for each in observations if first <= each.at_us <= last]
    return ready


def _died(observation: Observation, now_us: int) -> bool:
    """Return whether the process that made an engine's call has ended."""
    call = observation.engine
    return call is not None and is_gone(call.owner, observation.at_us, now_us)


def _pair(event: SessionEvent) -> tuple[str | None, ...]:
    by = (
        ("id", event.call_id) if event.call_id else ("input", event.tool, event.input_hash, event.subagent_id)
    )
    return (event.agent, event.session_id, *by)


class Attributor:
    """Determines and records the changes of one workspace.

    Args:
        ledger: where they are stored.
        facts: returns the recorded data of a session.
        excluded: returns whether a path is excluded now.
        clean: returns an event as it may be stored.
    """

    def __init__(
        self,
        ledger: Ledger,
        facts: Callable[[str, str], Facts] = lambda _agent, _session: Facts(),
        excluded: Callable[[str], bool] = lambda _path: False,
        clean: Callable[[SessionEvent], SessionEvent] = lambda event: event,
    ) -> None:
        self._ledger = ledger
        self._clean = clean
        self._facts = facts
        self._excluded = excluded

    def work(self, seen: SeenWorkspace, now_us: int) -> list[Change]:
        """Record the changes of all calls that have ended, and delete their snapshots; return the changes.

        Raises:
            StoreError: the store cannot be written now; the snapshots stay.
        """
        done: list[Change] = []
        observations = seen.observations()
        over: list[Observation] = []
        try:
            for windows, some in windows_of(observations, now_us):
                group = _Group(self._ledger, seen, windows, some, self._excluded)
                group.work()
                changes = [
                    change for window in windows if (change := self._change(window, group)) is not None
                ]
                self._ledger.record_all(changes, group.versions)
                over += some
                done += changes
        finally:
            # Together: each call reads all remaining snapshots to find the contents that they use.
            if over:
                seen.forget(over)
        handled = {each.file for each in over}
        left = [each for each in observations if each.file not in handled]
        first = min((each.at_us for each in left if each.phase == "before"), default=now_us + 1)
        # Ends of calls whose beginning was not observed, and of turns without open calls.
        if useless := [each for each in left if each.phase != "before" and each.at_us < first]:
            seen.forget(useless)
        return done

    def _change(self, window: Window, group: "_Group") -> Change | None:
        credit = group.credits.get(window.key)
        if credit is None or window.after is None or not (credit.files or credit.unaccounted):
            return None
        after = window.after
        place = after.place
        change = Change(
            key=window.key,
            contributor="ai",
            source="hook",
            at_us=window.until_us,
            started_us=window.before.at_us,
            repository=place.repository,
            workspace=place.root,
            vcs="git" if place.git else None,
            revision=after.head,
            files=credit.files,
            unaccounted=[Unaccounted(path=path, reason=why) for path, why in credit.unaccounted.items()],
        )
        if after.engine is not None:
            return _of_engine(change, after.engine)
        event, ended = self._clean(window.before.event), self._clean(after.event)
        facts = self._facts(event.agent, event.session_id)
        return replace(
            change,
            agent=event.agent,
            agent_version=event.agent_version or ended.agent_version or facts.agent_version,
            model_id=event.model or ended.model or facts.model,
            session_id=event.session_id,
            turn_id=event.turn_id,
            call_id=event.call_id,
            tool=event.tool,
            server=event.server,
            execution_id=ended.execution_id,
            trace_id=event.trace_id or trace_id_of(event.agent, event.session_id),
            span_id=span_id_of(event.agent, event.session_id, event.key),
        )


def _of_engine(change: Change, call: EngineCall) -> Change:
    """Return the change of an engine's call, as one of an AI if an agent's session caused the run."""
    return replace(
        change,
        contributor="unknown" if call.session_id is None else "ai",
        source="engine",
        agent=call.agent,
        session_id=call.session_id,
        call_id=call.call_id,
        tool=call.tool,
        server=call.server,
        caller=call.caller,
        workflow=call.workflow,
        execution_id=call.execution_id,
        step_id=call.step_id,
        trace_id=call.trace_id,
        span_id=call.span_id,
    )


@dataclass
class _File:
    """A file that changed between two snapshots."""

    path: str
    old: Text
    new: Text
    existed: bool
    exists: bool
    token: Token
    authors: Authors = field(default_factory=list[Author | None])
    gone: list[int] = field(default_factory=list[int])
    before: str | None = None


class _Group:
    """Overlapping calls, and the states of the files that they may write in each snapshot."""

    def __init__(
        self,
        ledger: Ledger,
        seen: SeenWorkspace,
        windows: Sequence[Window],
        observations: Sequence[Observation],
        excluded: Callable[[str], bool],
    ) -> None:
        self.credits: dict[str, _Credit] = {window.key: _Credit() for window in windows}
        self.versions: list[Version] = []
        self._ledger = ledger
        self._seen = seen
        self._windows = [window for window in windows if window.after is not None]
        self._observations = [each for each in observations if each.phase in {"before", "after"}]
        self._excluded = excluded
        self._states: dict[str, Token] = {}
        self._authors: dict[str, list[Author]] = {}
        self._index: str | None = None

    def work(self) -> None:
        """Process the snapshots in the order of time."""
        for each in self._observations:
            if each.reason:
                self._unseen(each)
            else:
                self._step(each)

    def _unseen(self, each: Observation) -> None:
        """Record a failed snapshot: the lines of its call are unaccounted for."""
        for window in self._windows:
            if each in (window.before, window.after):
                self.credits[window.key].unaccounted[""] = each.reason

    def _step(self, each: Observation) -> None:
        names = list(each.files)
        if each.whole:
            names += [name for name in self._states if name not in each.files]
            if self._index is not None and self._index != each.index_name:
                old, new = (self._seen.index(each.place, name) for name in (self._index, each.index_name))
                names += [name for name in {**old, **new} if old.get(name) != new.get(name)]
        files: list[_File] = []
        for path in dict.fromkeys(names):
            token = each.files.get(path) or (Token("index", each.index_name) if each.place.git else ABSENT)
            before = self._states.get(path)
            if before is None and self._index is not None:
                before = self._implied(each, path)
            self._states[path] = token
            if before is not None and before != token:
                file = self._file(each, path, before, token)
                if file is not None:
                    files.append(file)
        if each.whole:
            self._index = each.index_name
        if files:
            self._attribute(each, files)

    def _implied(self, each: Observation, path: str) -> Token | None:
        """Return the state of a file that no snapshot lists: as in the index, absent, or ignored and never observed."""
        assert self._index is not None
        if each.place.git and path in self._seen.index(each.place, self._index):
            return Token("index", self._index)
        return ABSENT if each.whole else None

    def _open(self, path: str, each: Observation) -> list[Window]:
        found = [
            window
            for window in self._windows
            if window.covers(path)
            and window.before.at_us < each.at_us <= window.until_us
            and (window.before is not each)
        ]
        outer = {number for window in found for number in window.inside}
        return [window for window in found if window.before.event.call_id not in outer] if outer else found

    def _file(self, each: Observation, path: str, before: Token, token: Token) -> _File | None:
        """Return a file whose lines changed; None if they did not, or cannot be compared."""
        if self._excluded(f"{each.place.root}/{path}"):
            return None
        reason = before.reason or token.reason
        old = new = None
        if not reason:
            old, new = (self._seen.lines(each.place, one, path) for one in (before, token))
            if old is None or new is None:
                reason = "not_text"
        if reason:
            for window in self._open(path, each):
                self.credits[window.key].unaccounted[path] = reason
            self._authors.pop(path, None)
            return None
        assert old is not None
        assert new is not None
        existed, exists = (self._seen.exists(each.place, one, path) for one in (before, token))
        if old == new and existed == exists:
            return None
        return _File(path, Text.of(old), Text.of(new), existed, exists, token)

    # --- authors ------------------------------------------------------------------------------------------------------

    def _before(self, each: Observation, file: _File) -> list[Author]:
        if not file.existed:
            return []
        authors = self._authors.get(file.path)
        if authors is None or len(authors) != len(file.old.lines):
            authors = settled(self._ledger.authors(each.place.repository, file.path, file.old.hashes))
        return authors

    def _attribute(self, each: Observation, files: list[_File]) -> None:
        earlier = {file.path: self._before(each, file) for file in files}
        olds: dict[str, tuple[Text, list[Author]]] = {}
        for file in files:
            file.authors = [None] * len(file.new.lines)
            olds[file.path] = (file.old, earlier[file.path])
        self._pair_renames(files)
        gone: list[tuple[_File, list[int]]] = []
        taken: dict[str, set[int]] = {}
        for file in files:
            source = file.before or (file.path if file.existed else None)
            if source is None or not file.exists:
                continue
            old, authors = olds[source]
            pairs = inherit(Known(old.hashes, authors), file.new.hashes, file.authors)
            reflow(old, authors, file.new, file.authors, pairs)
            taken.setdefault(source, set()).update(at for at, _ in pairs)
        for file in files:
            if file.existed:
                rest = taken.get(file.path, set())
                gone.append((file, [at for at in range(len(file.old.lines)) if at not in rest]))
        moved(
            [(olds[file.path][0].hashes, olds[file.path][1], lines) for file, lines in gone if lines],
            [(file.new.hashes, file.authors) for file in files if file.exists],
        )
        for file in files:
            self._finish(each, file, len(olds[file.path][0].lines) - len(taken.get(file.path, ())))

    def _pair_renames(self, files: list[_File]) -> None:
        lost = [file for file in files if file.existed and not file.exists and file.old.lines]
        made = [file for file in files if file.exists and not file.existed and file.new.lines]
        if len(lost) * len(made) > _MAX_RENAMES**2:
            return
        for file in made:
            for other in lost:
                if is_renamed(other.old.hashes, file.new.hashes):
                    file.before = other.path
                    lost.remove(other)
                    break

    def _finish(self, each: Observation, file: _File, removed: int) -> None:
        """Set the authors of the remaining lines, and credit the running calls with them."""
        windows = self._open(file.path, each)
        if file.exists and any(author is None for author in file.authors):
            self._look_up(each, file, windows)
        writer: Author = tuple(sorted(change_id(window.key) for window in windows))
        open_lines = [at for at, author in enumerate(file.authors) if author is None]
        authors = [writer if author is None else author for author in file.authors]
        self._authors[file.path] = authors
        if not file.exists:
            self._authors.pop(file.path, None)
        elif windows or any(authors):
            place = each.place
            self.versions.append(Version(place.repository, file.path, each.at_us, file.new.hashes, authors))
        kind: FileKind = "modified"
        if not file.exists:
            kind = "deleted"
        elif not file.existed:
            kind = "renamed" if file.before else "created"
        for window in windows:
            others = [number for number in writer if number != change_id(window.key)]
            self._credit(window, file, open_lines, others, kind, removed)

    def _credit(
        self, window: Window, file: _File, lines: list[int], others: list[int], kind: FileKind, removed: int
    ) -> None:
        change = FileChange(
            path=file.path,
            kind=kind,
            path_before=file.before,
            ranges=[
                LineRange(
                    start=first + 1,
                    end=last + 1,
                    content_hash=range_hash(file.new.lines[first : last + 1]),
                    contributor="mixed" if others else None,
                    others=others,
                )
                for first, last in _stretches(lines)
            ],
            added=len(lines),
            removed=max(0, removed),
            line_ending=line_ending(self._seen.data(file.token)) if file.token.kind == "pool" else "lf",
            content=content_key(file.new.lines) if file.exists else "",
        )
        self.credits[window.key].files.append(change)

    def _look_up(self, each: Observation, file: _File, windows: list[Window]) -> None:
        """Set the authors of lines that were recorded before, or were in the repository before the calls began."""
        place = each.place
        settle(file.new.hashes, file.authors, self._ledger.versions(place.repository, file.path))
        if not windows:
            found = self._ledger.authors(place.repository, file.path, file.new.hashes)
            for at, author in enumerate(found):
                if file.authors[at] is None:
                    file.authors[at] = author
            return
        before = [window.before for window in windows]
        switched = any(
            one.head != each.head or (one.whole and each.whole and one.index_name != each.index_name)
            for one in before
        )
        if place.git and switched:
            self._from_repository(each, file, min(one.at_us for one in before), before[0].head)

    def _from_repository(self, each: Observation, file: _File, start_us: int, head: str | None) -> None:
        place = each.place
        sources = [commit for commit, seconds in self._seen.tips(place) if seconds < start_us // 10**6]
        if head is not None:
            sources.insert(0, head)
        names = [
            f"{commit}:{path}"
            for commit in dict.fromkeys(sources[:_MAX_SOURCES])
            for path in dict.fromkeys((file.path, file.before or file.path))
        ]
        contents = self._seen.blobs(place, names)
        known: list[Known] = []
        seen: set[str] = set()
        for lines in contents.values():
            if not lines or (key := content_key(lines)) in seen:
                continue
            seen.add(key)
            text = Text.of(lines)
            authors = settled(self._ledger.authors(place.repository, file.path, text.hashes))
            if text.hashes.exact == file.new.hashes.exact:
                file.authors[:] = [
                    mine if mine is not None else theirs
                    for mine, theirs in zip(file.authors, authors, strict=True)
                ]
                return
            known.append(Known(text.hashes, authors))
        settle(file.new.hashes, file.authors, known)


def _stretches(lines: Iterable[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for at in lines:
        if found and at == found[-1][1] + 1:
            found[-1] = (found[-1][0], at)
        else:
            found.append((at, at))
    return found
