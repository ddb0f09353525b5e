"""Reading the attributes of a span or record that the SDK holds."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast


def readable_fast(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return attributes that are looked through quickly: the same object, or a copy as a plain dict.

    A span of the SDK shows a view of a mapping that is written in Python: each value is a call there, and takes five
    times as long as in a dict, with the copy.
    """
    if type(cast("object", attributes)) is not MappingProxyType:
        return attributes
    try:
        return cast("MappingProxyType[str, Any]", attributes).copy()
    except AttributeError:  # the view of a mapping that cannot be copied
        return attributes
