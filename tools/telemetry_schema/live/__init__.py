"""Compare emitted telemetry with the registry: mismatches, and signals that were never seen."""
