"""Find and read the engine's configuration file: its places, its ${VAR} grammar, clearer errors."""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec import Struct

from ael_otel.config.variables import is_text
from ael_otel.errors import ConfigError

if TYPE_CHECKING:
    import yaml

__all__ = [
    "PATH_VARIABLES",
    "UNRESOLVED",
    "Document",
    "Source",
    "Substituted",
    "find_config",
    "kind_of",
    "named_config",
    "nearest",
    "read_document",
    "resolve_references",
    "shown_name",
]

PATH_VARIABLES: Final = ("OTEL_PYTHON_AEL_CONFIG", "AEL_CONFIG_PATH", "PLOSTON_CONFIG_PATH")
"""Variables that name the file; the first one that is set is used. The engine reads the last two in reverse order."""

_LOCAL_NAMES: Final = ("ploston-config.yaml", "ael-config.yaml")
_HOME_NAMES: Final = (".ploston/config.yaml", ".ael/config.yaml")

# The engine's grammar: two dollar signs are one literal dollar sign, even before a brace; a reference that does not
# parse is left unchanged.
_REFERENCE: Final = re.compile(
    r"""
      \$\$
    | \$\{ (?P<name> [^}:]* ) (?: : (?P<operator> [-+?] ) (?P<operand> [^}]* ) )? \}
    """,
    re.VERBOSE,
)
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# PyYAML converts scalars with code that raises these errors too, for example for `!!int ""` or 2024-99-99.
_YAML_VALUE_ERRORS: Final = (ValueError, LookupError, TypeError, AttributeError, OverflowError)

# Allowed in a quoted syntax error: punctuation and the names of YAML's own tokens, such as '<stream end>'.
_YAML_OWN: Final = re.compile(r"'(?:..?|<[a-z ]+>)'")


class Substituted(str):
    """Text that a ${VAR} reference was replaced by: environment variables are text, so it may stand for a number."""

    __slots__ = ()


class Source(Struct, frozen=True):
    """The origin of a mapping, for error messages.

    `lines` maps dotted keys to line numbers from 1; `repeated` maps each key that occurs more than once to its lines.
    """

    path: Path | None = None
    lines: dict[str, int] = {}
    repeated: dict[str, tuple[int, ...]] = {}

    def line_of(self, key: str | None) -> int | None:
        """Return the line of `key` or of its nearest parent key; None if there is none."""
        line = None
        while key and line is None:
            line = self.lines.get(key)
            key = key.rpartition(".")[0]
        return line

    def error(self, key: str | None, message: str) -> ConfigError:
        """Return an error about `key`, after the file and the line of the key or of its nearest parent key."""
        if self.path is None:
            return ConfigError(message, key=key)
        line = self.line_of(key)
        place = str(self.path) if line is None else f"{self.path}:{line}"
        return ConfigError(f"{place}: {message}", path=self.path, key=key)


class Document(Struct, frozen=True):
    """A configuration file that has been read, with its references unresolved."""

    source: Source
    data: dict[str, object]


def find_config(explicit: Path | str | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """Find the configuration file in the places where the engine looks.

    The order: `explicit`, OTEL_PYTHON_AEL_CONFIG, AEL_CONFIG_PATH, PLOSTON_CONFIG_PATH, ./ploston-config.yaml,
    ./ael-config.yaml, ~/.ploston/config.yaml, ~/.ael/config.yaml. Raises ConfigError if a named file does not exist, or
    if no file is found.
    """
    if (named := named_config(explicit, environ)) is not None:
        return named
    home = Path(environ.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111  # Path.home() raises without a home
    for path in map(Path, _LOCAL_NAMES):
        if _exists(path):
            return path
    for path in (home / name for name in _HOME_NAMES):
        # A default place: a home that this user may not enter, such as /root, counts as one without a file.
        if os.path.exists(path):  # noqa: PTH110
            return path
    looked = ", ".join([f"./{name}" for name in _LOCAL_NAMES] + [f"~/{name}" for name in _HOME_NAMES])
    raise ConfigError(
        f"no configuration file (looked for {looked}); name one with -c FILE or AEL_CONFIG_PATH=FILE"
    )


def named_config(explicit: Path | str | None = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the configuration file that is named by `explicit` or a variable of `PATH_VARIABLES`; None if none is.

    Raises ConfigError if that file does not exist.
    """
    if explicit is not None:
        path = Path(explicit)
        if not _exists(path):
            raise ConfigError(f"{path}: no such file (the configuration that was asked for)", path=path)
        return path
    for variable in PATH_VARIABLES:
        if named := environ.get(variable):
            path = Path(named)
            if not _exists(path):
                raise ConfigError(f"{path}: no such file (named by {variable})", path=path)
            return path
    return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        # An invalid file name, or a folder that may not be searched: reading the file reports the reason.
        return True


def read_document(path: Path) -> Document:
    """Read one configuration file.

    Raises ConfigError if it is not a readable UTF-8 file with one YAML mapping, with line and column if YAML provides
    them.
    The message contains no text of the file except names of keys.
    """
    # The import takes as long as that of the rest of this package, and is not needed if no file is found.
    import yaml

    text = _read(path)
    source = Source(path)
    loader: Any = None
    try:
        loader = yaml.SafeLoader(text)
        node = cast("yaml.Node | None", loader.get_single_node())
        data = cast("object", loader.construct_document(node)) if node is not None else None
        lines, repeated = _lines(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(f"{place}: not valid YAML: {_problem(error)}", path=path) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(
            f"{path}:{line}: not valid YAML: a character that is not allowed", path=path
        ) from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid YAML: nested too deep", path=path) from None
    except (yaml.YAMLError, *_YAML_VALUE_ERRORS):
        raise ConfigError(f"{path}: not valid YAML: a value does not fit its tag", path=path) from None
    finally:
        if loader is not None:
            loader.dispose()
    if data is None or data == {}:
        raise ConfigError(
            f"{path}: the file is empty; it needs at least one section of the engine", path=path
        )
    if not isinstance(data, dict):
        raise source.error(None, f"the file must be a mapping of sections, not {kind_of(data)}")
    return Document(Source(path, lines, repeated), cast("dict[str, object]", data))


def _read(path: Path) -> str:
    try:
        if path.is_dir():
            raise ConfigError(f"{path}: is a directory, not a configuration file", path=path)
        if path.exists() and not path.is_file():
            # The engine opens the file a second time: a pipe would be empty by then, and a device may never end.
            raise ConfigError(f"{path}: is not a regular file", path=path)
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})", path=path) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a valid file name"
        raise ConfigError(f"{path}: cannot be read: {reason}", path=path) from None


def _problem(error: "yaml.MarkedYAMLError") -> str:
    # PyYAML quotes aliases and tags in it, and an unquoted secret that starts with `*` or `!` is parsed as one.
    return re.sub(
        r"'[^']+'",
        lambda quoted: quoted[0] if _YAML_OWN.fullmatch(quoted[0]) else "'...'",
        error.problem or "syntax error",
    )


def _lines(root: "yaml.Node | None") -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    import yaml

    lines: dict[str, int] = {}
    repeated: dict[str, tuple[int, ...]] = {}
    seen: set[int] = set()

    def walk(node: yaml.Node, prefix: str) -> None:
        # Aliases make the tree a graph; each node is visited at its first place only.
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            here: set[str] = set()  # a repeated section may contain the same key each time
            for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
                if isinstance(key, yaml.ScalarNode):
                    name = f"{prefix}{key.value}"
                    line = key.start_mark.line + 1
                    if name in here and key.value != "<<":  # merge keys may be repeated
                        repeated[name] = (*repeated.get(name, (lines[name],)), line)
                    here.add(name)
                    lines[name] = line
                    walk(value, name + ".")
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(cast("list[yaml.Node]", node.value)):
                lines[f"{prefix}{index}"] = item.start_mark.line + 1
                walk(item, f"{prefix}{index}.")

    if root is not None:
        walk(root, "")
    return lines, repeated


UNRESOLVED: Final = Substituted("unresolved")
"""Replaces a text whose reference could not be resolved; compare with `is`."""


def resolve_references(
    value: object,
    key: str,
    source: Source,
    environ: Mapping[str, str],
    wrong: list[ConfigError] | None = None,
) -> object:
    """Replace ${VAR}, ${VAR:-default}, ${VAR:+other}, ${VAR:?message} and $$ in all text below `value`.

    `key` is the dotted key of `value`; keys of mappings are not changed. Raises ConfigError that names the key and the
    unset variable, or if the value contains itself. With `wrong`, errors of the first kind are added to it instead, and
    `UNRESOLVED` replaces the text.
    """
    done: dict[int, object] = {}
    open_containers: set[int] = set()

    def resolve(item: object, key: str) -> object:
        if isinstance(item, str):
            try:
                return _resolve_text(item, key, source, environ)
            except ConfigError as error:
                if wrong is None:
                    raise
                wrong.append(error)
                return UNRESOLVED
        if not isinstance(item, dict | list):
            return item
        marker = id(cast("object", item))
        if marker in done:
            return done[marker]
        if marker in open_containers:
            raise source.error(key, f"{key} refers to itself")
        open_containers.add(marker)
        resolved: object
        if isinstance(item, dict):
            mapping = cast("dict[object, object]", item)
            resolved = {
                name: resolve(inner, f"{key}.{name}" if key else str(name)) for name, inner in mapping.items()
            }
        else:
            resolved = [
                resolve(inner, f"{key}.{index}") for index, inner in enumerate(cast("list[object]", item))
            ]
        open_containers.discard(marker)
        done[marker] = resolved
        return resolved

    try:
        return resolve(value, key)
    except RecursionError:
        raise source.error(key or None, f"{key or 'the file'} is nested too deep") from None


def _resolve_text(text: str, key: str, source: Source, environ: Mapping[str, str]) -> str:
    substituted = False

    def replace(match: re.Match[str]) -> str:
        nonlocal substituted
        body = match["name"]
        if body is None:
            return "$"
        name = body.strip()
        if not _VARIABLE_NAME.fullmatch(name):
            return match[0]
        substituted = True
        value = environ.get(name)
        operand = match["operand"] or ""
        match match["operator"]:
            case "-" if not value:
                return operand
            case "+":
                return operand if value else ""
            case "?" if not value:
                why = operand or "it is required"
                raise source.error(key, f"{key} needs the environment variable {name}: {why}")
            case _ if value is None:
                raise source.error(
                    key,
                    f"{key} needs the environment variable {name}, which is not set; "
                    f"set it, or write ${{{name}:-default}}",
                )
            case _ if not is_text(value):
                raise source.error(key, f"{key}: the value of the environment variable {name} is not UTF-8")
            case _:
                return value

    resolved = _REFERENCE.sub(replace, text)
    return Substituted(resolved) if substituted else resolved


def kind_of(value: object) -> str:
    """Return the type of a YAML value in plain words, without the value."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return f"a {type(value).__name__}"


def shown_name(name: object) -> str:
    """Return a key in a form for messages: one line, at most 60 characters, without a value that is part of it.

    If the space after the colon is missing, `{token:abc}` is a key that contains the secret.
    """
    text = re.split(r"[:=\s]", str(name), maxsplit=1)[0][:60]
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def nearest(name: str, valid: list[str]) -> str | None:
    """Return the valid name that is most similar to `name`, or None if none is close."""
    near = get_close_matches(name, valid, n=1, cutoff=0.6)
    return near[0] if near else None
