"""Send telemetry out of the process: SDK providers, bounded exporters, metric sets, the log handler, shutdown."""
