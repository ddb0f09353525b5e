"""A price file of the user: YAML, which wins over any price table, since contracts differ.

    version: "2026-11"
    prices:
      - model: "claude-sonnet-4-5*"
        provider: anthropic
        currency: USD
        valid_from: 2026-01-01
        input: 3.00
        output: 15.00
        cache_read: 0.30
        cache_write: 3.75
        tiers:
          batch: {input: 1.50, output: 7.50}

Rates are amounts for a million tokens. `model` may hold `*` and `?`, case is ignored; without `provider` a price is one
of every provider, without `valid_from` one of all times. A call of another tier of service than the usual one (`batch`,
`flex`, `priority`) has the rates of its tier, or no price. The first entry that matches decides which entries apply: of
those with its model and provider, the latest that is valid at the time of the call.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import msgspec

from ael_otel.errors import ConfigError
from ael_otel.store.records import ModelCallRecord, PriceRecord

KEY: Final = "telemetry.cost.prices"
"""The key that names the file."""

_MAX_BYTES: Final = 4 * 1024 * 1024
_MOST: Final = Decimal(10**9)
_PER_TOKEN: Final = 1_000
"""Billionths for each token at a rate of 1 for a million tokens."""


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Amounts for a million tokens. Cached tokens without a rate of their own are input like any other."""

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None

    def nano(self, call: ModelCallRecord) -> int | None:
        """Return the cost of a call in billionths, rounded once, half to even; None if a rate that it needs is missing.

        Tokens are charged once: those of caches are taken out of the input, reasoning is in the output.
        """
        read, written = call.cache_read_tokens or 0, call.cache_write_tokens or 0
        hour = call.cache_write_1h_tokens or 0
        cache_write = self.input if self.cache_write is None else self.cache_write
        parts = (
            ((call.input_tokens or 0) - read - written, self.input),
            (read, self.input if self.cache_read is None else self.cache_read),
            (written - hour, cache_write),
            (hour, cache_write if self.cache_write_1h is None else self.cache_write_1h),
            (call.output_tokens or 0, self.output),
        )
        total = Decimal(0)
        for tokens, rate in parts:
            if tokens:
                if rate is None:
                    return None
                total += tokens * rate * _PER_TOKEN
        return int(total.to_integral_value())


class Entry(Rates, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One price of the file; `tiers` has the rates of other tiers, whose calls have no price without them."""

    model: str
    provider: str | None = None
    currency: str = "USD"
    valid_from: date | None = None
    tiers: dict[str, Rates] = {}

    def matches(self, call: ModelCallRecord) -> bool:
        """Return whether this is a price of the model of a call."""
        if call.model is None or not fnmatchcase(call.model.lower(), self.model.lower()):
            return False
        return self.provider is None or self.provider.lower() == (call.provider or "").lower()

    def is_valid(self, day: date) -> bool:
        """Return whether the price applies on a day, in UTC."""
        return self.valid_from is None or self.valid_from <= day


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    prices: list[Entry]
    version: str | None = None


class Found(NamedTuple):
    """A cost in billionths, with its currency and the price behind it."""

    nano: int
    currency: str
    price: PriceRecord


class PriceFile:
    """The prices of one file.

    Args:
        path: the file. Its name and version, or a hash of its text, are in the id of each price.

    Raises:
        ConfigError: it cannot be read, or is not a price file; the message names the entry and what to change.
    """

    def __init__(self, path: Path) -> None:
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise ConfigError(
                    f"{KEY}: {path} is larger than {_MAX_BYTES:,} bytes: name a price file", key=KEY
                )
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{KEY}: {path}: {error.strerror or error}", key=KEY) from None
        read = _read(data, path)
        self.table = f"{path.name} {read.version or sha256(data).hexdigest()[:12]}"
        self._entries = read.prices

    def find(self, call: ModelCallRecord) -> Found | None:
        """Return the cost of a call, None without a price for it."""
        day = call.at.astimezone(UTC).date()
        first = next((entry for entry in self._entries if entry.matches(call) and entry.is_valid(day)), None)
        if first is None:
            return None
        same = [
            entry
            for entry in self._entries
            if (entry.model, entry.provider) == (first.model, first.provider) and entry.is_valid(day)
        ]
        entry = max(same, key=lambda each: each.valid_from or date.min)
        rates: Rates | None = entry if call.tier is None else entry.tiers.get(call.tier)
        nano = None if rates is None else rates.nano(call)
        if nano is None:
            return None
        since = None if entry.valid_from is None else entry.valid_from.isoformat()
        price = PriceRecord(entry.model, entry.provider or call.provider or "any", self.table, since)
        return Found(nano, entry.currency, price)


def _read(data: bytes, path: Path) -> _File:
    import yaml

    try:
        held = _plain(yaml.safe_load(data))
    except RecursionError:
        raise ConfigError(
            f"{KEY}: {path} is nested too deeply, or holds itself by an alias: write a list of prices",
            key=KEY,
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = path if mark is None else f"{path}:{mark.line + 1}"
        raise ConfigError(f"{KEY}: {at} is not YAML: {error.problem or error.context}", key=KEY) from None
    except (yaml.YAMLError, ValueError) as error:
        # Text that is not UTF-8, a control character, or a date such as 2026-13-41.
        raise ConfigError(f"{KEY}: {path} is not YAML: {error}", key=KEY) from None
    if held is None:
        raise ConfigError(f"{KEY}: {path} is empty: write `prices:` with a list of prices", key=KEY)
    try:
        read = msgspec.convert(held, _File, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{KEY}: {path}: {_reason(str(error))}", key=KEY) from None
    for number, entry in enumerate(read.prices):
        _check(entry, f"{path}: prices[{number}].")
        for tier, rates in entry.tiers.items():
            _check(rates, f"{path}: prices[{number}].tiers.{tier}.")
        if len(entry.currency) != 3 or not entry.currency.isalpha() or not entry.currency.isupper():
            raise ConfigError(
                f"{KEY}: {path}: prices[{number}].currency: {entry.currency!r} is not a code of ISO 4217 such as USD",
                key=KEY,
            )
    return read


_FORMS: Final[Mapping[str, str]] = {
    "object": "a mapping of keys to values",
    "array": "a list",
    "str": "a text",
    "decimal": "an amount such as 3.00",
    "date": "a date such as 2026-01-31",
}
"""Types of `_File` in the words of a person who writes one."""

_MISSING: Final = re.compile(r"Object missing required field (`\w+`)")
_UNKNOWN: Final = re.compile(r"Object contains unknown field (`.*?`)")
_EXPECTED: Final = re.compile(r"Expected `(\w+)[^`]*`")
_INVALID: Final = re.compile(r"Invalid (?:RFC3339 encoded )?(decimal|date)")
_PLACE: Final = re.compile(r" - at `\$\.?(.*)`$")


def _reason(message: str) -> str:
    """Return what is wrong in a file, and where, from the decoder's message."""
    place = _PLACE.search(message)
    where = place[1].replace("[...]", ".*") if place else ""
    if (found := _MISSING.match(message)) is not None:
        return f"{where or 'the file'} has no {found[1]}: it is required"
    if (found := _UNKNOWN.match(message)) is not None:
        known = Entry if where else _File
        fields = (Rates if ".tiers" in where else known).__struct_fields__
        return f"{where or 'the file'} has an unknown key {found[1]}: there are {', '.join(fields)}"
    found = _EXPECTED.match(message) or _INVALID.match(message)
    form = None if found is None else _FORMS.get(found[1])
    return f"{where or 'the file'} must be {form}" if form else f"{where or 'the file'} is not valid"


def _check(rates: Rates, where: str) -> None:
    named = {name: getattr(rates, name) for name in Rates.__struct_fields__}
    for name, rate in named.items():
        if rate is not None and not (rate.is_finite() and 0 <= rate <= _MOST):
            raise ConfigError(f"{KEY}: {where}{name}: {rate} is not an amount for a million tokens", key=KEY)
    if all(rate is None for rate in named.values()):
        raise ConfigError(
            f"{KEY}: {where.rstrip('.')} has no rate: set input and output, amounts for a million tokens",
            key=KEY,
        )


def _plain(value: Any) -> Any:
    """Return what YAML holds with each number as text, so that a rate is the decimal that is written."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value.isoformat() if isinstance(value, (date, datetime)) else value
