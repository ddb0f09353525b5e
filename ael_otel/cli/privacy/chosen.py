"""The redactor that the configuration asks for."""

from pathlib import Path

from ael_otel.cli.trace.options import Place
from ael_otel.cli.trace.reading import settings_of
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor


def redactor(config: Path | None) -> Redactor:
    """Return the redactor of a configuration file, or of the one that the engine would find."""
    return Redactor(Policy.of(settings_of(Place(config, None))))
