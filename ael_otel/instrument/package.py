"""What this instrumentation is for; `pyproject.toml` says the same in the extra `instruments`."""

_instruments = ("ploston-core >= 1.5, < 2",)
