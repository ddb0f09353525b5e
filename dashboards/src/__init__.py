"""Builds dashboards/*.json. Run `python -m dashboards.src`; dashboards/README.md says how to add a panel."""

import warnings

# The SDK recommends schema v2 on import. Grafana's file provider refuses v2 and migrates v1 on load, so v1 it is.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import grafana_foundation_sdk.models.dashboard as _dashboard

__all__: list[str] = []
del _dashboard
