"""What a redactor is to take out: the part of the configuration that privacy depends on."""

from pathlib import Path

import msgspec

from ael_otel.config.patterns import pattern_fault
from ael_otel.errors import ConfigError

__all__ = ["Policy", "pattern_fault"]


class Policy(msgspec.Struct, frozen=True):
    """What to redact. Credentials are always redacted.

    Attributes:
        sensitive_field_patterns: regular expressions, searched in names of fields without regard to case; the whole
            value of a field whose name matches goes.
        scrub_pii: also e-mail addresses, US social security numbers and payment cards.
        excluded_paths: files whose names and contents go: `~`, `..` and symbolic links are resolved, `*` matches any
            characters, a folder stands for all that is in it, a pattern without `/` for a file name anywhere.
        allow_fields: names of fields (`*` and `?` match) that nothing is ever taken out of.

    Raises:
        ConfigError: a pattern is no regular expression or could take forever, or a path is empty. It names the pattern.
    """

    sensitive_field_patterns: tuple[str, ...] = ()
    scrub_pii: bool = True
    excluded_paths: tuple[str, ...] = ()
    allow_fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be applied."""
        for pattern in self.sensitive_field_patterns:
            if fault := pattern_fault(pattern):
                raise ConfigError(f"sensitive_field_patterns: {pattern!r} {fault}")
        for path in self.excluded_paths:
            if not path.strip() or "\0" in path:
                raise ConfigError(f"excluded_paths: {path!r} is empty or holds a NUL character")
            if path.strip() in {"*", "**", "/", str(Path("/*"))}:
                raise ConfigError(f"excluded_paths: {path!r} matches every path")
        for name in self.allow_fields:
            if not name.strip(" *?"):
                raise ConfigError(f"allow_fields: {name!r} matches every field")
