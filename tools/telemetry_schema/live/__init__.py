"""Compare telemetry that was really emitted with the registry: what does not match, and what was never seen."""
