"""A demo that needs nothing but Python: the real engine, nine small workflows and one MCP tool server.

`scenarios` says what is run, `example` writes configuration and workflows to a folder, `runner` runs them. The tool
server (`tools`) is a process of its own and imports nothing of this package.
"""
