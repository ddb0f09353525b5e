"""OpenTelemetry auto-instrumentation for the AEL workflow engine."""

__version__ = "0.1.0"
