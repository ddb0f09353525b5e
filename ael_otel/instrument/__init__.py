"""Automatic instrumentation of the AEL engine (`ploston-core`), the only room that knows the engine's names."""

from ael_otel.instrument.instrumentor import AelInstrumentor

__all__ = ["AelInstrumentor"]
