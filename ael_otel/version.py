"""The version of this package, as in `pyproject.toml`; every signal and every store carries it."""

from typing import Final

__version__: Final = "0.1.0"
