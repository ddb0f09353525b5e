"""What a run looks like on a terminal: pure functions from records to rich renderables.

Nothing here reads a clock, an environment variable or a store, so that every look can be tested with made-up records.
"""
