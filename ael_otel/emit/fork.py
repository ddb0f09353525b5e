"""Forget what the SDK keeps for a histogram: all of it in a forked child, one series when its subject is gone.

The API has no call for this, and the SDK offers none, so the functions here go by names of the SDK's that are
not public; where a version has other names, the sums stay (docs/adr/0004). Tests fork and end series for real and fail
then.
"""

from collections.abc import Mapping, MutableMapping
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


def forget_series(histogram: Histogram, attributes: Mapping[str, str | bool | int]) -> None:
    """Let every reader export nothing more of one series of this histogram; recording to it begins a new one.

    Without effect on anything that is not the SDK's.
    """
    real: Any = getattr(histogram, "_real_instrument", None) or histogram
    with suppress(AttributeError):
        for storage in real._measurement_consumer._reader_storages.values():  # noqa: SLF001
            for match in storage._instrument_view_instrument_matches.get(real, ()):  # noqa: SLF001
                with match._lock:  # noqa: SLF001
                    kept: MutableMapping[Any, Any] = match._attributes_aggregation  # noqa: SLF001
                    for key, sums in list(kept.items()):
                        if dict(sums._attributes) == attributes:  # noqa: SLF001
                            del kept[key]
