"""Who did what in one run, as far as its record shows: `attribution_of` is all of it."""

from ael_otel.attribution.run import Attribution, Contributor, NamedFile, Touch, attribution_of

__all__ = ["Attribution", "Contributor", "NamedFile", "Touch", "attribution_of"]
