"""Whether a handler of ours owns the root logger: asked by `instrument`, which loads without an SDK."""

import logging
from typing import Literal, Protocol, runtime_checkable


@runtime_checkable
class LogContractHandler(Protocol):
    """A handler that writes every record once, in the log contract."""

    writes_log_contract: Literal[True]


def log_is_owned() -> bool:
    """Return whether the root logger has a handler that writes records in the log contract."""
    return any(isinstance(handler, LogContractHandler) for handler in logging.getLogger().handlers)
