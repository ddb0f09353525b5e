"""The frame of sandboxed code."""

import ast
import logging
import re
from functools import lru_cache
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span

from ael_otel._generated.emitters import start_code_exec
from ael_otel.core.redaction import ActiveRedaction, active_redaction
from ael_otel.core.run_context import RunScope
from ael_otel.lifecycle.failure import Failure, classify, log_failure
from ael_otel.lifecycle.frame import Frame
from ael_otel.lifecycle.recorder import Recorder
from ael_otel.lifecycle.step import Step, hash_of, step_around
from ael_otel.privacy.run_secrets import CallerInputs, RunSecrets
from ael_otel.store import CodeRecord


class CodeBlock(Frame):
    """One run of sandboxed Python: span `Python Exec`; tools called from the code nest in it.

    Args:
        recorder: the recorder that writes it.
        code: the source; its SHA-256 and the names of the modules it imports are stored.
    """

    __slots__ = ("code", "record")
    where = "code_block"

    def __init__(self, recorder: Recorder, *, code: str | None = None) -> None:
        super().__init__(recorder)
        self.code = code
        self.record = None if code is None else CodeRecord(hash_of(code), imports_of(code), self.clock.now())

    def _begin(self) -> None:
        parent = self.parent
        if isinstance(parent, Step):
            parent.record.code = self.record
        self.execution = None if parent is None else parent.execution
        self._enter_context(self._scope_alone() if parent is None else parent.scope)
        if self.record is not None:
            self.record.span_id = self._span_id()

    def _scope_alone(self) -> RunScope:
        """Return the scope of code that a client runs directly: values in its source count as passed in by a caller."""
        return RunScope("", "", secrets=RunSecrets(), given=CallerInputs(_QUOTED.findall(self.code or "")))

    def _start_span(self, context: Context | None) -> Span:
        parent = self.parent
        return start_code_exec(
            self.recorder.tracer,
            code_sha256=parent.record.code_hash if isinstance(parent, Step) else None,
            context=context,
            start_time=self.clock.now_ns(),
        )

    def printed(self, stdout: Any, stderr: Any, result: Any) -> None:
        """Record what the code printed and returned; it goes to the store only."""
        record = self.record
        if record is None:
            return

        def keep(content: Any, redaction: ActiveRedaction, exact: bool) -> None:
            out, fit = self.recorder.content_out, self.content.fit
            record.stdout, record.stderr, record.result = (
                fit(out(each, redaction, exact=exact)) for each in content
            )
            step = step_around(self.parent)
            step_id = None if step is None else step.step_id
            self._count_usage(content[-1], redaction, exact=exact, passed_on=True, step_id=step_id)

        self.recorder.notes.content(keep, (stdout or None, stderr or None, result), self.scope)

    def failed(self, error: BaseException) -> None:
        """Record that the sandbox itself raised."""
        self.failure = classify(error, "sandbox")

    def failed_as(self, failure: Failure) -> None:
        """Record why the code failed; a tool's error that the code let through stays that tool's failure."""
        inner = self.child_failure
        if inner is not None and inner.message and inner.message in failure.message:
            self.failure = inner
        else:
            self.failure = failure

    def _end(self, seconds: float) -> None:
        failure = self.failure
        if self.record is not None:
            self.record.duration_ms = seconds * 1e3
            self.record.exception = None if failure is None else failure.record()
        if failure is None:
            handled = self.child_failure
            if handled is not None:
                log_failure(
                    handled, "sandbox", f"code handled a failed tool call: {handled.type}", logging.WARNING
                )
            return
        self._show_failure(failure)
        if not (failure.cancelled and self.parent is not None):
            self.recorder.count(failure)
        if self.parent is None:
            # A client ran code outside a workflow: no outer frame logs the failure.
            log_failure(failure, "sandbox", f"code failed: {failure.type}")


_QUOTED: Final = re.compile(r"""(?s)(?<=['"])[^'"\\]{4,}(?=['"])""")


def imports_of(code: str) -> list[str]:
    """Return the modules that Python source imports, sorted; empty if it does not parse."""
    return [active_redaction().name(name) for name in _imports_of(code)]


@lru_cache(maxsize=1_024)
def _imports_of(code: str) -> tuple[str, ...]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return tuple(sorted(found))
