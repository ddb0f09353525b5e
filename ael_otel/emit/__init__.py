"""The library that generated code uses: metric sets, span starters, event emitters, and how often each was used.

A leaf room that imports only the standard library and the OTel API. It contains no name of the telemetry interface:
names come from the registry, as arguments of generated code (`ael_otel/_generated`).
"""
