"""What every room above needs: faults, run context, metrics, drop events, the active redaction, baggage."""
