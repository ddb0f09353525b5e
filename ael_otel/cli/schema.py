"""`ael schema`: the toolchain of the telemetry registry, and what a running engine makes of it."""

from ael_otel.cli.live import command as live
from tools.telemetry_schema.command import command

command.add_command(live)

__all__ = ["command"]
