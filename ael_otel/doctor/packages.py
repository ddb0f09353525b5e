"""Check Python and the installed packages: the engine's version, and whether OpenTelemetry's packages fit together."""

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distributions, version
from typing import Final

from ael_otel.doctor.finding import Finding, failure, ok, warning
from ael_otel.version import __version__, install_command

AREA: Final = "python"

_STABLE: Final[tuple[str, ...]] = (
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-proto",
    "opentelemetry-exporter-otlp-proto-common",
    "opentelemetry-exporter-otlp-proto-grpc",
    "opentelemetry-exporter-otlp-proto-http",
)
_BETA: Final[tuple[str, ...]] = (
    "opentelemetry-semantic-conventions",
    "opentelemetry-instrumentation",
    "opentelemetry-distro",
)
"""Packages that OpenTelemetry releases together: those of a tuple have one version."""

_OLDEST_STABLE: Final = (1, 39)


def check(engine_range: Iterable[str]) -> list[Finding]:
    """Check the versions.

    Args:
        engine_range: the requirement on the engine, as `AelInstrumentor.instrumentation_dependencies` returns it.
    """
    return [
        ok(AREA, f"Python {platform.python_version()}, ael-otel {__version__}"),
        _engine(engine_range),
        *_family(),
    ]


def _engine(engine_range: Iterable[str]) -> Finding:
    from opentelemetry.instrumentation.dependencies import get_dependency_conflicts

    try:
        installed = version("ploston-core")
    except PackageNotFoundError:
        return warning(
            AREA,
            "the engine is not installed here: `ael run`, `ael serve` and `ael demo` need it",
            f"run `{install_command('engine')}` in this environment",
        )
    wanted = tuple(engine_range)
    if get_dependency_conflicts(wanted) is not None:
        return failure(
            AREA,
            f"the engine has version {installed}, and ael-otel instruments only {', '.join(wanted)}: no run is"
            " recorded",
            f"run `{install_command('engine')}` in this environment",
        )
    return ok(AREA, f"engine {installed}")


def _family() -> list[Finding]:
    installed = _installed()
    found: list[Finding] = []
    for name, versions in installed.items():
        if len(versions) > 1:
            found.append(
                warning(
                    AREA,
                    f"{name} is installed more than once ({', '.join(versions)}), and the first on sys.path is used",
                    f"`pip uninstall {name}` in each environment on PYTHONPATH, then install it once",
                )
            )
    first = {name: versions[0] for name, versions in installed.items()}
    for family in (_STABLE, _BETA):
        have = {name: first[name] for name in family if name in first}
        if len(set(have.values())) > 1:
            found.append(
                failure(
                    AREA,
                    f"OpenTelemetry's packages are of different releases: {_listed(have)}",
                    f"install one release of all of them: `pip install --upgrade {' '.join(have)}`",
                )
            )
    sdk = first.get("opentelemetry-sdk")
    if sdk is None:
        found.append(
            failure(
                AREA,
                "the OpenTelemetry SDK is not installed",
                "run `pip install --upgrade opentelemetry-sdk`",
            )
        )
    elif _numbers(sdk) < _OLDEST_STABLE:
        oldest = ".".join(map(str, _OLDEST_STABLE))
        cause = f"the OpenTelemetry SDK has version {sdk}, and ael-otel needs {oldest} or later"
        found.append(failure(AREA, cause, f"run `pip install --upgrade {' '.join((*_STABLE, *_BETA))}`"))
    elif not (pair := _unpaired(first)) and not found:
        found.append(ok(AREA, f"OpenTelemetry SDK {sdk}; its packages are of one release"))
    elif pair:
        found.append(pair)
    return found


def _unpaired(first: Mapping[str, str]) -> Finding | None:
    """Return a failure for a stable and a beta package of different releases: 1.39 was released with 0.60b0."""
    sdk, instrumentation = first["opentelemetry-sdk"], first.get("opentelemetry-instrumentation", "")
    (_, minor), (_, beta_minor) = _numbers(sdk), _numbers(instrumentation)
    if not instrumentation or beta_minor - minor == 21:
        return None
    return failure(
        AREA,
        f"opentelemetry-instrumentation {instrumentation} is not of the release of opentelemetry-sdk {sdk}",
        f"install one release of all of them: `pip install --upgrade {' '.join((*_STABLE, *_BETA))}`",
    )


def _installed() -> dict[str, tuple[str, ...]]:
    """Return the versions of OpenTelemetry's packages on sys.path, that which is used first."""
    found: dict[str, tuple[str, ...]] = {}
    for each in distributions():
        name = _name(each)
        if name in (*_STABLE, *_BETA) and each.version not in found.get(name, ()):
            found[name] = (*found.get(name, ()), each.version)
    return found


def _name(distribution: Distribution) -> str:
    # A folder whose metadata is damaged has no name.
    return str(distribution.metadata["Name"] or "").lower().replace("_", "-")


def _numbers(text: str) -> tuple[int, int]:
    first, _, rest = text.partition(".")
    second = "".join(each for each in rest.partition(".")[0].partition("b")[0] if each.isdigit())
    return (int(first) if first.isdigit() else 0, int(second or 0))


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {each}" for name, each in versions.items())
