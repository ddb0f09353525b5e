"""The resource attributes that this project adds to the SDK's own."""

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from opentelemetry.sdk.resources import Resource, ResourceDetector

from ael_otel._generated import attributes as attr
from ael_otel.version import __version__

ENGINE_DISTRIBUTION = "ploston-core"


class AelResourceDetector(ResourceDetector):
    """Adds the versions of the engine and of this package (resource detector `ael`)."""

    def detect(self) -> Resource:
        """Return the attributes; the engine's version is left out if the engine is not installed."""
        attributes = {attr.AEL_OTEL_VERSION: __version__}
        with suppress(PackageNotFoundError):
            attributes[attr.AEL_ENGINE_VERSION] = version(ENGINE_DISTRIBUTION)
        return Resource(attributes)
