"""Prices of the package `genai-prices` (extra `cost`), imported for the first call that needs one, and only here.

The table is the one that was installed: nothing updates it over the network, so that a price id names a version for
good. A call of another tier of service than the usual one has a price where the table has rates of that tier.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from threading import Condition, Thread
from time import monotonic
from typing import Any, Final, cast

from ael_otel.cost.price_file import Found
from ael_otel.store.records import ModelCallRecord, PriceRecord
from ael_otel.usage import nano_of

PACKAGE: Final = "genai-prices"
_MODULE: Final = "genai_prices"

_PROVIDERS: Final[Mapping[str, str]] = {
    "aws.bedrock": "aws",
    "aws_bedrock": "aws",
    "bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
    "gcp.gen_ai": "google",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "vertex_ai": "google",
    "gemini": "google",
    "google_genai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "moonshot_ai": "moonshotai",
}
"""Names of the conventions and of frameworks, and the table's own."""


def is_installed() -> bool:
    """Return whether the package is installed; does not import it."""
    return find_spec(_MODULE) is not None


def table_name() -> str:
    """Return the name of the table with its version, as price ids have it."""
    try:
        return f"{PACKAGE} {version(PACKAGE)}"
    except PackageNotFoundError:
        return PACKAGE


class Loading:
    """The import of the package, on a thread of its own: a process that ends does not wait for it to the end.

    The import takes 0.4 s of processor time. On the thread that judges runs, it took all the time that a short process
    has for its last runs, and these were lost.

    Args:
        load: imports the package.
    """

    def __init__(self, load: Callable[[], object]) -> None:
        self._load = load
        self._changed = Condition()
        self._started = self._done = False
        self._give_up_at: float | None = None

    def wait(self) -> bool:
        """Wait until the import has ended, or until it is given up; returns whether it has ended."""
        with self._changed:
            if not self._started:
                self._started = True
                try:
                    Thread(target=self._run, name="ael-otel-prices", daemon=True).start()
                except RuntimeError:  # the interpreter is ending: the caller imports it
                    self._done = True
            while not self._done:
                left_s = None if self._give_up_at is None else self._give_up_at - monotonic()
                if left_s is not None and left_s <= 0:
                    break
                self._changed.wait(left_s)
            return self._done

    def give_up_after(self, seconds: float | None) -> None:
        """Let nobody wait for longer than so many seconds from now; None for as long as the import takes."""
        with self._changed:
            self._give_up_at = None if seconds is None else monotonic() + seconds
            self._changed.notify_all()

    def after_fork(self) -> None:
        """Start anew in a child process, which does not have the thread."""
        self._changed = Condition()
        self._started = self._done = False

    def _run(self) -> None:
        try:
            with suppress(Exception):  # the caller imports it again, and reports why that fails
                self._load()
        finally:
            with self._changed:
                self._done = True
                self._changed.notify_all()


LOADING: Final = Loading(lambda: import_module(_MODULE))
"""The import of the package in this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LOADING.after_fork)


class PriceTable:
    """The table of the installed package.

    Args:
        loading: the import of the package.
    """

    def __init__(self, loading: Loading = LOADING) -> None:
        self.table = table_name()
        self._loading = loading

    def find(self, call: ModelCallRecord) -> Found | None:
        """Return the cost of a call, None where the table does not have its model or its rates.

        None too where the process ends before the table is loaded: `ael cost reprice` computes such costs.
        """
        if call.model is None or not self._loading.wait():
            return None
        from genai_prices import Usage, calc_price

        provider = (
            None if call.provider is None else _PROVIDERS.get(call.provider.lower(), call.provider.lower())
        )
        counts = {
            "input_tokens": call.input_tokens,
            "output_tokens": call.output_tokens,
            "cache_read_tokens": call.cache_read_tokens,
            "cache_write_tokens": call.cache_write_tokens,
            "cache_write_1h_tokens": call.cache_write_1h_tokens,
        }
        context = {} if call.tier is None else _context(call.tier)
        try:
            found = calc_price(
                Usage(**{name: count for name, count in counts.items() if count}),
                call.model,
                provider_id=provider,
                genai_request_timestamp=call.at.astimezone(UTC),
                price_context=context,
            )
        except (LookupError, ValueError):
            return None
        if context and not any(dict(each.when) == context for each in found.model.price_variants or ()):
            return None
        nano = nano_of(found.total_price)
        if nano is None:
            return None
        since = _since(found.model, found.model_price)
        return Found(nano, "USD", PriceRecord(found.model.id, found.provider.id, self.table, since))


def _context(tier: str) -> dict[str, str]:
    return {"processing": tier} if tier == "batch" else {"service_tier": tier}


def _since(model: Any, price: Any) -> str | None:
    """Return the day from which a price of a model applies, None where the table has one price of it."""
    prices: Any = model.prices
    if not isinstance(prices, list):
        return None
    for conditional in cast("list[object]", prices):
        start = getattr(getattr(conditional, "constraint", None), "start_date", None)
        if getattr(conditional, "prices", None) is price and start is not None:
            return str(start.isoformat())
    return None
