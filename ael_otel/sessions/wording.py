"""Texts about sessions that the terminal and the page share, and the reasons why something is unknown."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from ael_otel.sessions.session import Entry, Session, SessionRecord

__all__ = [
    "NOT_REPORTED",
    "NO_END",
    "cost_of",
    "counts",
    "inner_of",
    "lasted_us",
    "name_of",
    "plural",
    "state",
    "unknown_of",
    "verdict_of",
]

NOT_REPORTED: Final = "not reported in this session"
NO_END: Final = "unknown: its end was not reported"


def state(record: SessionRecord) -> str:
    """Return the state of a session: `running`, or its outcome if the agent reports it."""
    reported = record.status == "ended" and record.outcome not in (None, "unknown")
    return f"ended: {record.outcome}" if reported else record.status


def name_of(entry: Entry, turn: int = 0) -> str:
    """Return the name of a line of the tree; `turn` is the number of a turn, 0 for none."""
    match entry.kind:
        case "turn":
            return f"turn {turn}" if turn else "turn"
        case "idle":
            return "waiting for a person" if entry.waiting else "idle"
        case "decision":
            return entry.name or "decision"
        case "message":
            return "sent on by a hook"
        case "error":
            return f"error {entry.error_type or ''}".rstrip()
        case "subagent":
            return f"subagent {entry.name or ''}".rstrip()
        case _:
            return f"{entry.name or 'tool'}@{entry.server}" if entry.server else entry.name or "tool"


def verdict_of(entry: Entry) -> str:
    """Return the outcome of a line of the tree, or the answer of a decision; empty if there is none."""
    match entry.kind:
        case "turn":
            return entry.outcome or ("running" if entry.end_us is None else "")
        case "decision":
            return entry.decision or ""
        case "call":
            return (
                NO_END if entry.outcome == "unknown" and entry.end_us is None else entry.outcome or "running"
            )
        case "subagent":
            return NO_END if entry.outcome == "unknown" and entry.end_us is None else entry.outcome or ""
        case _:
            return ""


def unknown_of(session: Session) -> list[tuple[str, str]]:
    """Return what is unknown of a session and why: (subject, reason) pairs."""
    record = session.record
    found: list[tuple[str, str]] = []
    kinds = Counter(entry.kind for entry in session.entries)
    open_ended = sum(1 for entry in session.entries if verdict_of(entry) == NO_END)
    silent = sum(
        1
        for entry in session.entries
        if entry.kind == "call" and entry.outcome == "unknown" and entry.end_us is not None
    )
    if not record.start_reported:
        found.append(("when the session began", "no start was reported: its first event counts as its start"))
    if not record.models:
        found.append(("model", "no event of this session names it"))
    if not record.tokens:
        found.append(("tokens and cost", "no event of this session counts them"))
    elif record.cost_nano_usd is None:
        found.append(("cost", "the agent counts tokens only"))
    if record.turns > kinds["turn"]:
        count = record.turns - kinds["turn"]
        found.append((f"when {plural(count, 'turn')} began", "the agent reported the end only"))
    if open_ended:
        found.append(
            (
                f"how {plural(open_ended, 'call')} ended",
                "no end was reported, as for a call that is rejected or cancelled",
            )
        )
    if silent:
        why = (
            "Codex reports no exit code to hooks" if record.agent == "codex" else "their ends do not tell how"
        )
        found.append((f"how {plural(silent, 'call')} that ended did so", why))
    if record.status == "abandoned":
        found.append(("when the session ended", "no end was reported: its last event counts as its end"))
    elif record.status == "ended" and record.outcome in (None, "unknown"):
        found.append(("whether the session succeeded", "the agent reports that it ended, not how"))
    return found


def lasted_us(record: SessionRecord) -> int:
    """Return the duration of a session, until now if it has not ended, in microseconds."""
    return max(0, (record.ended_us or record.last_us) - record.started_us)


def cost_of(record: SessionRecord) -> str | None:
    """Return the cost of a session, None if its agent does not report it."""
    if record.cost_nano_usd is None:
        return None
    return f"{record.cost_nano_usd / 1e9:.4f} USD, as the agent reports it"


def counts(numbers: Mapping[str, int]) -> str:
    """Return counts with their names: `input 1,200, output 80`."""
    return ", ".join(f"{name} {count:,}" for name, count in numbers.items())


def plural(number: int, noun: str) -> str:
    """Return a count with its noun: `1 turn`, `2 turns`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def inner_of(session: Session) -> dict[str, list[Entry]]:
    """Return the entries inside each turn, by the key of the turn."""
    inner: dict[str, list[Entry]] = {}
    for entry in session.entries:
        if entry.turn is not None and entry.turn != entry.key:
            inner.setdefault(entry.turn, []).append(entry)
    return inner
