"""Automatic instrumentation of the AEL engine (`ploston-core`), the only room that knows the engine's names.

It loads without an SDK. The instrumentor that applications use is `ael_otel.AelInstrumentor`.
"""

from ael_otel.instrument.instrumentation import Instrumentation

__all__ = ["Instrumentation"]
