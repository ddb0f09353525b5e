"""Toolchain over the telemetry registry: load, resolve, lint, generate."""
