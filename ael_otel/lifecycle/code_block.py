"""The frame of sandboxed code."""

import logging

from opentelemetry.context import Context
from opentelemetry.trace import Span

from ael_otel._generated.emitters import start_code_exec
from ael_otel.lifecycle.failure import Failure, classify
from ael_otel.lifecycle.failure_log import log_failure
from ael_otel.lifecycle.frame import Frame
from ael_otel.lifecycle.step import Step


class CodeBlock(Frame):
    """One run of sandboxed Python: span `Python Exec`; tools called from the code nest in it."""

    __slots__ = ()
    where = "code_block"

    def _begin(self) -> None:
        parent = self.parent
        self.execution = None if parent is None else parent.execution
        self._enter_context(None if parent is None else parent.scope)

    def _start_span(self, context: Context | None) -> Span:
        parent = self.parent
        return start_code_exec(
            self.recorder.tracer,
            code_sha256=parent.record.code_hash if isinstance(parent, Step) else None,
            context=context,
        )

    def failed(self, error: BaseException) -> None:
        """Say that the sandbox itself raised."""
        self.failure = classify(error, "sandbox")

    def failed_as(self, failure: Failure) -> None:
        """Say why the code failed; a tool's error that the code let through stays that tool's failure."""
        inner = self.child_failure
        if inner is not None and inner.message and inner.message in failure.message:
            self.failure = inner
        else:
            self.failure = failure

    def _end(self, seconds: float) -> None:
        failure = self.failure
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
            # A client ran code without a workflow: nobody above tells the failure.
            log_failure(failure, "sandbox", f"code failed: {failure.type}")
