"""For any input: settings or a ConfigError, a lossless round trip through YAML, no secret in a message."""

import re
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ael_otel.config import Settings, load_settings, settings_as_mapping, settings_from_mapping
from ael_otel.config.aliases import ALIASES
from ael_otel.config.keys import KEYS
from ael_otel.errors import ConfigError

SECRET = "zq7-" + "swordfish"

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.binary(max_size=4)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
)
WORDS = sorted({part for name in (*KEYS, *ALIASES) for part in name.split(".")})
SECTIONS = st.recursive(
    ANYTHING | st.sampled_from(["grpc", "http", "json", "sqlite", "http://c:1", "/m", "("]),
    lambda inner: st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


def outcome(load: Callable[[], Settings]) -> Settings | ConfigError:
    """Return the settings or the ConfigError; any other exception fails the test."""
    try:
        return load()
    except ConfigError as error:
        return error


def nest(name: str, value: object) -> dict[str, object]:
    """The mapping that gives one dotted key a value."""
    first, _, rest = name.partition(".")
    return {first: nest(rest, value) if rest else value}


@given(st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=6) | st.integers(), SECTIONS, max_size=4))
def test_any_mapping_loads_or_is_refused_in_one_line(section: dict[Any, object]) -> None:
    """No input gives another exception or a message of several lines."""
    result = outcome(lambda: settings_from_mapping(section))
    if isinstance(result, ConfigError):
        assert len(str(result).splitlines()) == 1
        assert str(result).startswith("telemetry")


@given(name=st.sampled_from([*KEYS, *ALIASES]), value=ANYTHING)
def test_any_value_of_any_key_loads_or_is_refused(name: str, value: object) -> None:
    """The error names the key or one around it, and the type decides, never an exception of the checks."""
    result = outcome(lambda: settings_from_mapping(nest(name, value)))
    assert isinstance(result, Settings) or result.key == f"telemetry.{name}"


@settings(max_examples=60)
@given(st.text(alphabet=st.sampled_from("atelmry: {}[]-\n\t'\"&*!%$|>#,1\x00é"), max_size=60))
def test_any_text_is_a_file_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """No file makes the reader fail in another way."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, "utf-8")
    result = outcome(lambda: load_settings(path, {}))
    if isinstance(result, ConfigError):
        assert len(str(result).splitlines()) == 1
        assert result.path == path


TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cc"]), max_size=12
)
HEADERS = st.dictionaries(
    st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
    max_size=3,
)
SPECIAL = {
    "service_name": TEXT.filter(str.strip),
    "exporters.otlp.endpoint": st.sampled_from(["http://c:4318", "https://c", "https://[::1]:4317/x"]),
    "exporters.otlp.headers": HEADERS,
    "cost.budget_currency": st.from_regex(r"[A-Z]{3}", fullmatch=True),
    "metrics.endpoint": st.sampled_from(["/", "/metrics", "/a/b"]),
    "metrics.host": st.sampled_from(["127.0.0.1", "::1", "example.com"]),
    "store.path": TEXT.filter(bool),
    "privacy.excluded_paths": st.lists(
        TEXT.filter(lambda path: path.strip() not in ("", "*", "**", "/", "/*")), max_size=3
    ),
    "attribution.roots": st.lists(TEXT.filter(str.strip), max_size=3),
    "privacy.pii": st.lists(st.sampled_from(["email", "iban", "cpf"]), unique=True, max_size=3),
    "privacy.patterns": st.lists(
        st.builds(
            lambda name, word: {"name": name, "regex": re.escape(word), "marker": name.upper()},
            st.from_regex(r"[a-z][a-z0-9_]{1,8}", fullmatch=True),
            TEXT.filter(bool),
        ),
        unique_by=lambda item: item["name"],
        max_size=3,
    ),
    "redaction.sensitive_field_patterns": st.lists(TEXT.filter(bool).map(re.escape), max_size=3),
    "redaction.allow_fields": st.lists(TEXT.filter(lambda name: name.strip(" *?")), max_size=3),
    "redaction.tools": st.dictionaries(
        TEXT.filter(str.strip), st.sampled_from(["none", "keys", "redacted", "full"]), max_size=3
    ),
    "exporters.otlp.insecure": st.just(True),
    # 1.0 reads like a ratio and is refused; 1 is not.
    "sampling.rate": st.floats(1, 100).map(lambda rate: int(rate) if rate.is_integer() else rate),
    "sampling.keep": st.lists(st.sampled_from(["errors", "slow"]), unique=True, max_size=2),
}


def values(name: str) -> st.SearchStrategy[object]:
    """Valid values of a key, from its type unless the table above has them."""
    if name in SPECIAL:
        return cast("st.SearchStrategy[object]", SPECIAL[name])
    key = KEYS[name]
    if key.choices:
        return st.sampled_from(key.choices)
    base, meta = key.type.__args__[0], key.type.__metadata__[0]
    if base is bool:
        return st.booleans()
    if base is int:
        return st.integers(meta.ge, meta.le)
    if base is float:
        return st.floats(meta.ge, meta.le)
    assert base is str, f"{name} needs a strategy"
    return TEXT


VALID = st.fixed_dictionaries({}, optional={name: values(name) for name in KEYS})


def tree(flat: dict[str, object]) -> dict[str, Any]:
    """The nested mapping of dotted keys."""
    root: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, leaf = name.split(".")
        branch = root
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return root


@given(VALID)
def test_settings_survive_the_way_through_yaml(flat: dict[str, object]) -> None:
    """Settings written as YAML and read again are equal, apart from notices; the values read are the values written."""
    loaded = settings_from_mapping(tree(flat))
    text = yaml.safe_dump({"telemetry": settings_as_mapping(loaded, show_secrets=True)})
    again = settings_from_mapping(yaml.safe_load(text)["telemetry"])
    assert msgspec.structs.replace(again, notices=loaded.notices) == loaded
    for name, value in flat.items():
        found: Any = loaded
        for part in name.split("."):
            found = getattr(found, part)
        if name == "privacy.patterns":
            found = tuple(msgspec.to_builtins(found))
        assert found == (tuple(value) if isinstance(value, list) else value)


WRONG = (
    st.just(SECRET)
    | st.just([SECRET, 1])
    | st.just({SECRET: 1})
    | st.just({"x": SECRET, "y": None})
    | st.just({"x": f"{SECRET}\n"})
    | st.just(f"http://user:{SECRET}@host:notaport")
    | st.just(f"ftp://{SECRET}")
)


@given(name=st.sampled_from([*KEYS, *ALIASES]), value=WRONG)
def test_no_value_is_part_of_a_message(name: str, value: object) -> None:
    """A secret under any key, right or wrong, appears in no error, no notice and no repr of the settings."""
    result = outcome(lambda: settings_from_mapping(nest(name, value)))
    if isinstance(result, ConfigError):
        assert SECRET not in f"{result} {result.key}"
        return
    assert SECRET not in str(result.notices)
    # A bare word as an endpoint is a host, which is printed.
    if (KEYS.get(name) or ALIASES[name]).secret and not name.endswith("endpoint"):
        assert SECRET not in repr(result)
        assert SECRET not in str(settings_as_mapping(result))


def test_secrets_are_masked_in_every_print_of_settings() -> None:
    """The names of headers and the place of an endpoint stay readable, everything else is hidden."""
    loaded = settings_from_mapping(
        {
            "exporters": {
                "otlp": {
                    "endpoint": f"https://user:{SECRET}@host:4317/p?key={SECRET}",
                    "headers": {"x-key": SECRET},
                }
            },
            "store": {"dsn": f"postgresql://user:{SECRET}@db/ael"},
            "admin": {"token": SECRET},
        }
    )
    assert SECRET not in repr(loaded)
    shown = cast("dict[str, Any]", settings_as_mapping(loaded))
    assert SECRET not in str(shown)
    assert shown["exporters"]["otlp"]["endpoint"] == "https://***@host:4317/p"
    assert shown["exporters"]["otlp"]["headers"] == {"x-key": "***"}
    assert shown["admin"]["token"] == "***"
    assert settings_as_mapping(settings_from_mapping({}))["admin"] == {"live_schema": False, "token": ""}


def test_settings_cannot_be_changed() -> None:
    """Settings are values: two rooms that hold them cannot disagree."""
    with pytest.raises(AttributeError):
        settings_from_mapping({}).enabled = False  # type: ignore[misc]
