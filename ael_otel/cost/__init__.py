"""What model calls cost: prices, applied once when a call is recorded; sums over the calls of stored runs.

Counts are those of their sources (`ael_otel.usage`), amounts are whole billionths of a currency. A cost that the
provider reported wins; then a price of the user's file (`price_file`), then one of the package `genai-prices` where it
is installed (`price_table`), then what the instrumentation of a client computed. A call without any has no price: it is
counted as such, and never as 0.
"""

from ael_otel.cost.pricing import Prices, close, install, prices_of
from ael_otel.cost.summary import CostKey, CostRow, summarise

__all__ = ["CostKey", "CostRow", "Prices", "close", "install", "prices_of", "summarise"]
