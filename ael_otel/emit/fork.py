"""Remove a histogram's state from the SDK: all of it in a forked child, or one unused series.

Neither the API nor the SDK has a public call for this, so these functions use private names of the SDK. With a version
of the SDK that has other names, the state remains (docs/adr/0004). Tests fork and end series with the real SDK and fail
in that case.
"""

from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from threading import RLock
from typing import Any

from opentelemetry.metrics import Histogram


def forget_inherited(histogram: Histogram) -> None:
    """Reset this histogram to zero for every reader, with fresh locks; for a child that has no second thread yet.

    Has no effect on an object that is not the SDK's, such as a histogram without a provider.
    """
    # The global provider returns a proxy when it is asked before the provider is set.
    real: Any = getattr(histogram, "_real_instrument", None) or histogram
    with suppress(AttributeError):
        for storage in real._measurement_consumer._reader_storages.values():  # noqa: SLF001
            kept: MutableMapping[Any, Any] = storage._instrument_view_instrument_matches  # noqa: SLF001
            kept.pop(real, None)
            # Creating the storage anew acquires this lock, and a thread of the parent may have held it at the fork.
            storage._lock = RLock()  # noqa: SLF001


def forget_series(histogram: Histogram, attributes: Mapping[str, str | bool | int]) -> None:
    """Stop exporting one series of this histogram in every reader; recording to it starts a new one.

    Has no effect on an object that is not the SDK's.
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
