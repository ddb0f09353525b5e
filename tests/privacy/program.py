"""The command `ael` in a process where other instrumentations emit secrets too; with the redactor off on demand.

`CANARIES` holds the canaries as JSON, `CANARY_REDACTOR=off` takes every redaction away: the control of the search.
"""

import json
import logging
import os
from typing import Any

from ael_otel import runtime
from ael_otel.core import redaction
from ael_otel.privacy import engine_logs, run_secrets
from ael_otel.sdk import redacting_exporters
from tests.support import stress


def _as_it_is(_self: object, value: Any, **_options: Any) -> Any:
    return value


class Off(redaction.ActiveRedaction):
    """Redacts nothing."""

    text = error_text = without_given = content = name = attributes = _as_it_is

    def excludes(self, params: Any) -> bool:
        """Exclude nothing."""
        return False


def switch_off() -> None:
    """Take away every redaction of this process: redacted texts, the cuts of log lines and of command lines."""
    runtime.ActiveRedaction = Off  # type: ignore[misc]
    redaction.ActiveRedaction = Off  # type: ignore[misc]
    engine_logs.ArgumentFilter.filter = lambda _self, _record: True  # type: ignore[method-assign]
    run_secrets.CallerInputs.hide = lambda _self, text: text  # type: ignore[method-assign]
    redacting_exporters.clean_resource = lambda resource, _guard: resource  # type: ignore[assignment]


def say_everything(canaries: dict[str, str]) -> None:
    """Put each canary where another instrumentation of the process may put it, in all three signals."""
    from opentelemetry import metrics, trace
    from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

    everything = " ".join(canaries.values())
    tracer, meter = trace.get_tracer("foreign"), metrics.get_meter("foreign")
    elsewhere = Link(SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(1)), {"said": everything})
    with tracer.start_as_current_span(
        f"chat {everything}", links=[elsewhere], record_exception=False
    ) as span:
        span.set_attribute("gen_ai.operation.name", "chat")
        span.set_attribute("gen_ai.input.messages", json.dumps([{"content": everything}]))
        for kind, canary in canaries.items():
            span.set_attribute(f"app.{kind}", canary)
        span.set_attribute("db.password", canaries["keyed"])
        span.add_event("said", {"text": everything})
        try:
            raise ValueError(everything)
        except ValueError as error:
            span.record_exception(error)
            logging.getLogger("foreign").exception("failed with %s", everything)
        span.set_status(Status(StatusCode.ERROR, everything))
        for kind, canary in canaries.items():
            meter.create_counter(f"foreign.{kind}").add(1, {"who": canary})
            meter.create_histogram(f"foreign.{kind}.time").record(1.0, {"who": canary})
    logging.getLogger("foreign").info("an ordinary line with %s", everything)


def main() -> None:
    """Run `ael` with the arguments of this process."""
    if os.environ.get("CANARY_REDACTOR") == "off":
        switch_off()
    from ael_otel.cli import main as ael
    from ael_otel.cli import open_engine

    begin = open_engine.start

    def start(*arguments: Any, **options: Any) -> Any:
        from opentelemetry import trace

        from ael_otel.store.span_processor import StoreSpanProcessor

        running = begin(*arguments, **options)
        stress.begin(lossless=False)
        provider: Any = trace.get_tracer_provider()
        if running.store is not None:
            provider.add_span_processor(StoreSpanProcessor(running.store))
        # These are recognised as secrets in any text by name or shape.
        said = {
            kind: canary
            for kind, canary in json.loads(os.environ["CANARIES"]).items()
            if kind not in ("plain", "contents", "environment")
        }
        say_everything({**said, "keyed": f"password={said['keyed']}"})
        return running

    open_engine.start = start
    ael()


if __name__ == "__main__":
    main()
