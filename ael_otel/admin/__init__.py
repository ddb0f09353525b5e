"""HTTP endpoints of a running process: metrics, health and the live schema; on loopback by default."""

from ael_otel.admin.live_schema import LiveSchema
from ael_otel.admin.server import AdminServer

__all__ = ["AdminServer", "LiveSchema"]
