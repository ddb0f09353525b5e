"""`ael schema`: the toolchain of the telemetry registry."""

from ael_otel.schema.command import command

__all__ = ["command"]
