"""Inputs of a workflow on the command line: `-i key=value` and a file."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn, cast

import click


def parse_pairs(pairs: Iterable[str]) -> dict[str, Any]:
    """Return the inputs in `key=value` pairs; a later pair overrides an earlier one.

    A value that is valid JSON is parsed (`n=3`, `tags=["a"]`, `ok=true`), any other is text; `name='"3"'` is the text
    3.
    Raises click.BadParameter for a pair without a key or an equals sign.
    """
    inputs: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{pair!r} is not key=value", param_hint="'-i' / '--input'")
        inputs[key] = _value(value)
    return inputs


def read_file(name: str) -> dict[str, Any]:
    """Return the inputs in a JSON or YAML file that contains one mapping; `-` is stdin.

    Raises click.BadParameter for a file that cannot be read or contains anything else.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        _refuse(name, error.strerror or "cannot be read")
    except UnicodeDecodeError:
        _refuse(name, "not UTF-8 text")
    try:
        data: object = json.loads(text)
    except ValueError:
        data = _yaml(name, text)
    except RecursionError:
        _refuse(name, "nested too deep")
    if not isinstance(data, dict):
        _refuse(name, "must contain one mapping of input names to values")
    return {str(key): value for key, value in cast("dict[object, Any]", data).items()}


def _yaml(name: str, text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except RecursionError:
        _refuse(name, "nested too deep")
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark is not None else ""
        _refuse(name, f"neither JSON nor YAML{place}")


def _refuse(name: str, reason: str) -> NoReturn:
    raise click.BadParameter(f"{'stdin' if name == '-' else name}: {reason}", param_hint="'--inputs-file'")


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError):
        return text


def _not_json(constant: str) -> NoReturn:
    # Python's parser accepts NaN and Infinity, which are not JSON: they are more likely meant as words.
    raise ValueError(constant)
