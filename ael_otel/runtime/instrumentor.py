"""The instrumentor that `opentelemetry-instrument` loads (entry point `opentelemetry_instrumentor`, name `ael`)."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from ael_otel.config.environment import sdk_disabled
from ael_otel.core.faults import fault_barrier
from ael_otel.instrument.active import activate
from ael_otel.instrument.instrumentation import Instrumentation
from ael_otel.runtime import hosting
from ael_otel.runtime.hosting import HostOptions

if TYPE_CHECKING:
    from ael_otel.config import Settings
    from ael_otel.store import TelemetryStore

_INSTRUMENTS: Final = ("ploston-core >= 1.5, < 2",)
"""What it instruments; `pyproject.toml` has the same requirement in the extra `instruments`."""


class AelInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Instruments every engine that opens in this process, and records its runs.

    Call `instrument` once, where the application is imported; store, metrics endpoint and exporters start when an
    engine opens, so in the worker processes of a server and not in its supervisor:

        >>> from ael_otel import AelInstrumentor
        >>> AelInstrumentor().instrument(config="ael-config.yaml")

    A FastAPI application with the engine in it, whose runs `ael trace list` finds (`uvicorn app:app`, also with
    `--workers`):

        >>> from contextlib import asynccontextmanager
        >>> from fastapi import FastAPI
        >>> from ploston_core.application import PlostApplication
        >>> @asynccontextmanager
        ... async def lifespan(app):
        ...     app.state.engine = PlostApplication(config_path="ael-config.yaml")
        ...     await app.state.engine.initialize()
        ...     yield
        ...     await app.state.engine.shutdown()
        >>> app = FastAPI(lifespan=lifespan)
        >>> @app.post("/run/{workflow}")
        ... async def run(workflow: str):
        ...     result = await app.state.engine.workflow_engine.execute(workflow, {})
        ...     return {"execution_id": result.execution_id, "status": result.status.value}

    Where processors are slow, give the workers time to open the engine: `--timeout-worker-healthcheck 60`.

    Without the two lines of `ael_otel`, `opentelemetry-instrument python app.py -c ael-config.yaml` has the same
    effect, as does any command under `opentelemetry-instrument` with OTEL_PYTHON_AEL_CONFIG set.
    """

    _instance = None
    _instrumentation: Instrumentation | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the requirements without which this instrumentor does nothing."""
        return _INSTRUMENTS

    def instrument(
        self,
        *,
        config: "Settings | Path | str | None" = None,
        store: "TelemetryStore | None" = None,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        serve_metrics: bool = True,
        logs: bool = True,
        mcp_spans: Literal["ael", "native", "both"] | None = None,
        native_spans: bool | None = None,
        native_store: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Instrument the engine; never raises: an instrumentor that raises keeps all later ones from loading.

        A second call, such as one in an application that `opentelemetry-instrument` started, replaces the arguments of
        the first one as long as no engine has opened.

        Args:
            config: settings or the path of the engine's configuration file; None takes the file that `-c` on the
                command line names, else OTEL_PYTHON_AEL_CONFIG, AEL_CONFIG_PATH or PLOSTON_CONFIG_PATH. Where none is
                named, runs are not recorded and one line in the log says so. Under `opentelemetry-instrument` name it
                by `-c` or a variable: with this argument alone, OTLP goes where the OTEL_* variables say.
            store: where runs are recorded; None opens the store that the configuration names.
            tracer_provider: where spans go; None takes the global one, which is made from the configuration if the
                application has made none by the time an engine opens. Under `opentelemetry-instrument` the global one
                is that of the wrapper, so an application with a provider of its own has to pass it here.
            meter_provider: the same for metrics.
            serve_metrics: answer `GET /metrics` on `telemetry.metrics.port`. Of several processes the first has the
                port; each of the others says so in one line.
            logs: write each record of the process's log once, as JSON on stdout and by OTLP, as `telemetry.logs`
                says; False leaves logging as it is.
            mcp_spans: whose span stands for an MCP call; None uses `telemetry.traces.mcp_spans`, by default `ael`.
            native_spans: let the engine's own flat spans through; None uses `telemetry.engine.native_spans`.
            native_store: let the engine write its own telemetry database; None uses
                `telemetry.engine.telemetry_store`.
            kwargs: `skip_dep_check` and `raise_exception_on_conflict` of OpenTelemetry's loader.
        """
        options = HostOptions(
            config=config,
            store=store,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
            serve_metrics=serve_metrics,
            logs=logs,
            mcp_spans=mcp_spans,
            native_spans=native_spans,
            native_store=native_store,
        )
        if self.is_instrumented_by_opentelemetry:
            with fault_barrier("instrument"):
                if options != HostOptions():
                    activate(hosting.prepare(options).active)
            return
        super().instrument(options=options, **kwargs)

    def _instrument(self, **kwargs: Any) -> None:
        with fault_barrier("instrument"):
            host = hosting.prepare(kwargs.get("options", HostOptions()))
            self._instrumentation = Instrumentation()
            # The configuration is read when an engine opens, in the process that opens it.
            self._instrumentation.start(host.active, enabled=not sdk_disabled(os.environ))
            if _is_prepared():
                host.open_pipeline()

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002 - the base class passes them
        with fault_barrier("uninstrument"):
            if self._instrumentation is not None:
                self._instrumentation.stop()
                self._instrumentation = None
            hosting.drop()


def _is_prepared() -> bool:
    """Return whether `opentelemetry-instrument` built this process's SDK without exporters, for ours to be added."""
    if hosting.is_command_of_ours():
        return False
    from ael_otel.sdk.otel_variables import otlp_signals
    from ael_otel.sdk.providers import under_wrapper

    return bool(otlp_signals(os.environ)) and under_wrapper()
