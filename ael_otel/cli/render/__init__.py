"""Render runs for a terminal: pure functions from records to rich renderables.

Nothing here reads a clock, an environment variable or a store, so that all output can be tested with made-up records.
"""
