"""Rules about instrumentation scopes: who emits what."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.telemetry_schema.findings import Finding, repeated
from tools.telemetry_schema.model import ScopeDef, Sources

_OWN_NAME = re.compile(r"ael(?:\.[a-z][a-z0-9_]*)*")


def bad_scope(sources: Sources) -> Iterator[Finding]:
    """A scope of ours has a fixed name, a goal and signals; each kind of signal has a scope that emits it."""
    twice = repeated([scope.name for scope in sources.scopes])
    for scope in sources.scopes:
        where = sources.where("scopes", scope.name)
        problems = ["is there twice; remove one"] if scope.name in twice else []
        problems += _foreign(scope) if scope.foreign else _own(scope)
        for problem in problems:
            yield Finding("bad_scope", where, scope.name, problem)
    if sources.scopes:
        emitted = {signal for scope in sources.scopes for signal in scope.signals}
        has = {"spans": sources.spans, "metrics": sources.metrics, "logs": sources.events}
        for signal, items in has.items():
            if items and signal not in emitted:
                where = sources.where("scopes", sources.scopes[0].name)
                yield Finding(
                    "bad_scope", where, signal, f"no scope emits {signal}; add it to signals of one"
                )


def _own(scope: ScopeDef) -> Iterator[str]:
    if not _OWN_NAME.fullmatch(scope.name):
        yield "must be ael or start with ael., without wildcard or value of a run; or set foreign: true"
    if scope.goal is None:
        yield "set goal to operation, performance, capacity, change_impact or trend"
    if not scope.signals:
        yield "set signals to some of spans, metrics, logs"


def _foreign(scope: ScopeDef) -> Iterator[str]:
    if scope.signals or scope.goal:
        yield "is foreign: what it emits is not ours to declare; remove signals and goal"
    if scope.name == "ael" or scope.name.startswith("ael."):
        yield "is a name of ours; remove foreign"
