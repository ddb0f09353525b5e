"""Providers of OTel's own in-memory kind, those of the pipeline's tests."""

from tests.unit.conftest import metered, tracer, unsampled

__all__ = ["metered", "tracer", "unsampled"]
