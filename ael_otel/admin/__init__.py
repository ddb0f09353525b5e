"""What a running process says about itself over HTTP: metrics and health, on loopback unless told otherwise."""

from ael_otel.admin.server import AdminServer

__all__ = ["AdminServer"]
