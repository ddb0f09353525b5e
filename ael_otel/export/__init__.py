"""Runs in the formats of other tools, and back: files, pushes to a server, a page for a browser.

`spans` turns a record into the spans that it had; the formats are pure functions from there. Only `push` uses the
network, and only when it is called.
"""
