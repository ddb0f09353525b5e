"""Which price a model call gets, and the registration of it with the run store."""

from pathlib import Path

from ael_otel.config import Settings
from ael_otel.core.faults import fault_barrier, logger
from ael_otel.cost.price_file import Found, PriceFile
from ael_otel.cost.price_table import LOADING, PriceTable, is_installed
from ael_otel.errors import ConfigError
from ael_otel.store.model_calls import price_with, reported_cost
from ael_otel.store.records import ModelCallRecord, PriceRecord


class Prices:
    """The prices in force.

    Args:
        file: the user's, which wins; None without one.
        table: the table of a package; None where it is not installed, or not wanted.
    """

    def __init__(self, file: PriceFile | None = None, table: PriceTable | None = None) -> None:
        self.file = file
        self.table = table

    def find(self, call: ModelCallRecord) -> Found | None:
        """Return the cost of a call by its counts, None without a price."""
        if call.input_tokens is None and call.output_tokens is None:
            return None
        for prices in (self.file, self.table):
            if prices is not None and (found := prices.find(call)) is not None:
                return found
        return None

    def price(self, call: ModelCallRecord) -> None:
        """Set the cost of a call: that of its provider, else one by the tables, else what its client computed."""
        reported_cost(call)
        if call.cost_source != "none":
            return
        with fault_barrier("cost"):
            found = self.find(call)
            if found is None and call.reported_nano is not None and call.reported_currency is not None:
                price = PriceRecord(
                    call.model or "unknown", call.provider or "unknown", call.reported_by or "client"
                )
                found = Found(call.reported_nano, call.reported_currency, price)
            if found is not None:
                call.cost_nano, call.currency, call.price = found
                call.cost_source = "table"


def prices_of(settings: Settings) -> Prices:
    """Return the prices that a configuration names.

    Raises:
        ConfigError: the price file cannot be read.
    """
    cost = settings.cost
    file = None
    if cost.prices:
        folder = Path(settings.path).parent if settings.path else Path()
        file = PriceFile(folder / Path(cost.prices).expanduser())
    return Prices(file, PriceTable() if cost.price_table and is_installed() else None)


def install(settings: Settings, *, strict: bool = False) -> None:
    """Have the model calls that this process records priced from now on, as a configuration says.

    Args:
        settings: the configuration.
        strict: whether a price file that cannot be read is an error; else it is logged, and its prices are missing.

    Raises:
        ConfigError: the price file cannot be read, if `strict`.
    """
    try:
        prices = prices_of(settings)
    except ConfigError as error:
        if strict:
            raise
        logger.error("model calls are recorded without a price: %s", error)
        price_with(None)
        return
    LOADING.give_up_after(None)
    price_with(prices.price)


def close(timeout_s: float) -> None:
    """Wait for the table of prices for `timeout_s` seconds from now at most; calls after that have no price of it."""
    LOADING.give_up_after(timeout_s)
