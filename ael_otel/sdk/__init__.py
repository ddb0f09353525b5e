"""How telemetry leaves the process: the SDK's providers, bounded exporters, metric rows, the log handler, shutdown."""
