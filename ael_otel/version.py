"""The version of this package, as in `pyproject.toml`, and how its extras are installed."""

import re
from typing import Final

__version__: Final = "0.1.0"

ON_INDEX: Final = False
"""Whether the package can be installed by name from a package index; hints and documents depend on it."""


def install_command(extra: str) -> str:
    """Return the command that installs the packages of an extra, such as `pip install 'ploston-core<2,>=1.5'`.

    While the package is not on an index, the command names the packages of the extra themselves: this works in a
    checkout and with an installed wheel.
    """
    if ON_INDEX:
        return f"pip install 'ael-otel[{extra}]'"
    from importlib.metadata import PackageNotFoundError, requires

    try:
        requirements = requires("ael-otel") or []
    except PackageNotFoundError:
        # Imported from a source folder without metadata: the extras cannot be looked up.
        requirements = []
    wanted = [
        requirement.partition(";")[0].strip()
        for requirement in requirements
        if re.search(rf"""extra == ['"]{re.escape(extra)}['"]""", requirement)
    ]
    return " ".join(("pip install", *(f"'{each}'" for each in wanted or [f".[{extra}]"])))
