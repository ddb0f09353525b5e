"""Whether a handler of ours owns the root logger: asked by `instrument`, which loads without an SDK."""

import logging


def log_is_owned() -> bool:
    """Return whether the root logger has a handler that writes records in the log contract.

    Such a handler has an attribute `writes_log_contract`, True.
    """
    # Asked for each line of the engine: `isinstance` of a protocol takes 10 us.
    return any(
        getattr(handler, "writes_log_contract", False) is True for handler in logging.getLogger().handlers
    )
