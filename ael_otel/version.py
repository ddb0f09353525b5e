"""The version of this package, as in `pyproject.toml`, and how its extras are installed."""

import re
from typing import Final

__version__: Final = "0.1.0"

ON_INDEX: Final = False
"""Whether the package can be installed by its name from a package index; hints and documents follow it."""


def install_command(extra: str) -> str:
    """Return the command that installs what an extra needs, such as `pip install 'ploston-core<2,>=1.5'`.

    While the package is on no index, the command names the packages of the extra themselves: that works beside a
    checkout and beside an installed wheel.
    """
    if ON_INDEX:
        return f"pip install 'ael-otel[{extra}]'"
    from importlib.metadata import PackageNotFoundError, requires

    try:
        requirements = requires("ael-otel") or []
    except PackageNotFoundError:
        # Run from a folder of sources: nothing says what its extras are.
        requirements = []
    wanted = [
        requirement.partition(";")[0].strip()
        for requirement in requirements
        if re.search(rf"""extra == ['"]{re.escape(extra)}['"]""", requirement)
    ]
    return " ".join(("pip install", *(f"'{each}'" for each in wanted or [f".[{extra}]"])))
