"""Convert runs to formats of other tools and back: files, pushes to a server, a page for a browser.

`spans` converts a record to the spans of the run; each format is a pure function of these. Only `push` uses the
network, and only when it is called.
"""
