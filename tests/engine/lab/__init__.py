"""A laboratory for the real engine: own tools and workflows, a process to run them in, a view of the telemetry."""
