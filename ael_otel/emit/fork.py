"""What a forked child must forget of a histogram: the sums and the locks that the SDK keeps for it.

The API has no call for this, and the SDK offers none, so the one function here goes by names of the SDK's that are
not public; where a version has other names, the sums stay (docs/adr/0004). A test forks for real and fails then.
"""

from collections.abc import MutableMapping
from contextlib import suppress
from threading import RLock
from typing import Any

from opentelemetry.metrics import Histogram


def forget_inherited(histogram: Histogram) -> None:
    """Let every reader begin at zero for this histogram, with fresh locks; for a child that has no other thread yet.

    Without effect on anything that is not the SDK's, such as a histogram without a provider.
    """
    # The global provider hands out a proxy when it is asked before it is set.
    real: Any = getattr(histogram, "_real_instrument", None) or histogram
    with suppress(AttributeError):
        for storage in real._measurement_consumer._reader_storages.values():  # noqa: SLF001
            kept: MutableMapping[Any, Any] = storage._instrument_view_instrument_matches  # noqa: SLF001
            kept.pop(real, None)
            # It is taken to make the storage anew, and another thread of the parent may have held it.
            storage._lock = RLock()  # noqa: SLF001
