"""Names of ours in configuration files, such as the Collector's: attributes and metrics in their statements."""

import re
from collections.abc import Iterator

from tools.telemetry_schema.query.known import Known

_ATTRIBUTE = re.compile(r"attributes\[\"([^\"]+)\"\]")
_OURS = re.compile(r"(?<![\w./-])(ael(?:\.[a-z][a-z0-9_]*)+)(?![\w/-])")
_SERIES = re.compile(r"(?<![\w./-])(ael_[a-z0-9_]+)(?![\w./-])")
# Temporary names of a statement, which it chooses itself; none of them is emitted.
_CACHE = re.compile(r"\bcache(?:\[\"[^\"]*\"\])+")
_FILES = re.compile(r"\.(?:ya?ml|json|db|toml|md|py)$")


def check_config(text: str, known: Known) -> Iterator[str]:
    """Yield the names in the text that begin like ours but are not in the registry."""
    metrics = {metric.name for metric in known.registry.metrics}
    types = {span.type for span in known.registry.spans} | known.events
    scopes = {scope.name for scope in known.registry.scopes}
    entities = {entity.type for entity in known.registry.entities}
    names = metrics | types | scopes | entities | set(known.attributes)
    labels = {label for series in known.series.values() for label in series.labels}
    bare = _CACHE.sub("cache", re.sub(r"(?m)(^|\s)#.*$", "", text))
    for key in dict.fromkeys(_ATTRIBUTE.findall(bare)):
        if key.startswith("ael.") and key not in known.attributes:
            yield f"attribute {key} does not exist"
    for name in dict.fromkeys(_OURS.findall(bare)):
        if name not in names and not _FILES.search(name):
            yield f"{name} is in the registry neither as a signal nor as an attribute"
    for name in dict.fromkeys(_SERIES.findall(bare)):
        if (
            name not in known.series
            and name not in known.log_fields
            and name not in labels
            and name != "ael_otel"
        ):
            yield f"{name} is neither a series nor a label"
