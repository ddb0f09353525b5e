"""What generated code runs on: metric sets, span starters, event emitters, and how often each was used.

A leaf room of the standard library and the OTel API: nothing here knows a name of the telemetry interface. The names
come from the registry, as arguments of generated code (`ael_otel/_generated`).
"""
