"""Contributors, files and lines of runs: `attribution_of` returns those of one run, read from its record."""

from ael_otel.attribution.run import Attribution, Contributor, NamedFile, Touch, attribution_of

__all__ = ["Attribution", "Contributor", "NamedFile", "Touch", "attribution_of"]
