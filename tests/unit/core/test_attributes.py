"""Reading attributes of the SDK quickly: the same names and values for every mapping type."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes

from ael_otel.core.attributes import readable_fast
from ael_otel.sdk.batch_processors import _size

GIVEN: dict[str, Any] = {"a": "one", "b": 2, "c": ("x", "yy"), "d": b"bytes", "e": True}


class _Uncopyable(Mapping[str, object]):
    def __getitem__(self, key: str) -> object:
        return GIVEN[key]

    def __iter__(self) -> Iterator[str]:
        return iter(GIVEN)

    def __len__(self) -> int:
        return len(GIVEN)


HELD = {
    "a dict": GIVEN,
    "the SDK's own mapping": BoundedAttributes(attributes=GIVEN),
    "a view of it": MappingProxyType(BoundedAttributes(attributes=GIVEN)),
    "a view of a view": MappingProxyType(MappingProxyType(dict(GIVEN))),
    "a view of what cannot be copied": MappingProxyType(_Uncopyable()),
}


@pytest.mark.parametrize("held", HELD.values(), ids=HELD.keys())
def test_attributes_in_any_mapping_are_read_and_counted_the_same(held: Mapping[str, object]) -> None:
    """Names, values, their order and the bytes that the export queue counts."""
    found = readable_fast(held)
    assert list(found.items()) == list(GIVEN.items())
    assert _size(held) == _size(GIVEN) == 5 * 32 + 3 + 2 * 32 + 3 + 5


def test_attributes_of_a_view_are_a_copy_that_is_a_plain_dict() -> None:
    """The result is not the SDK's inner dict, which a span may still change."""
    bounded = BoundedAttributes(attributes=GIVEN)
    found = readable_fast(MappingProxyType(bounded))
    assert type(found) is dict
    assert found is not bounded._dict
    assert readable_fast(GIVEN) is GIVEN
