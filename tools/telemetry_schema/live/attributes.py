"""Checks of the attributes of a part against those that the registry declares for it."""

from collections.abc import Iterable, Mapping

from tools.telemetry_schema.live.findings import Checked, value_type
from tools.telemetry_schema.live.index import Index
from tools.telemetry_schema.live.samples import Value
from tools.telemetry_schema.live.secrets import secrets_in
from tools.telemetry_schema.model import Attribute


def check_attributes(index: Index, part: Checked, declared: Mapping[str, Attribute]) -> None:
    """Check that all attributes are declared and have their types, and that no expected one is missing."""
    for key, value in part.attributes.items():
        attribute = declared.get(key)
        if attribute is not None:
            check_value(part, attribute, value)
        elif key in index.attributes:
            part.add_to(
                key,
                "unexpected_attribute",
                f"Attribute '{key}' is in the registry, but not on {part.signal_name}; refer to it there or drop it.",
            )
        else:
            part.add_to(
                key,
                "missing_attribute",
                f"Attribute '{key}' does not exist in the registry; define it in ael_otel/registry or drop it.",
            )
    for key, attribute in declared.items():
        if (
            key not in part.attributes
            and attribute.requirement_level is not None
            and not attribute.ael.may_be_empty
        ):
            level = attribute.requirement_level
            part.add(
                f"{level}_attribute_not_present",
                f"{level.replace('_', ' ').capitalize()} attribute '{key}' is not on {part.signal_name}.",
                attribute_key=key,
            )


def check_value(part: Checked, attribute: Attribute, value: Value) -> None:
    """Check the type of a value and that a closed set has it."""
    key = attribute.key
    wanted = "string" if attribute.type == "enum" else attribute.type
    found = value_type(value)
    if found != wanted and not (found == "int" and wanted == "double"):
        part.add_to(
            key,
            "type_mismatch",
            f"Attribute '{key}' is {found or 'of no simple type'}; the registry says {wanted}.",
            attribute_type=found or "",
        )
    elif attribute.values and value not in attribute.values:
        part.add_to(
            key,
            "undefined_enum_variant",
            f"Attribute '{key}' has a value outside its closed set {', '.join(attribute.values)}.",
            # A value outside a closed set may be a secret; only a plain word is repeated.
            attribute_value=str(value) if str(value).isidentifier() else "",
        )
    if attribute.deprecated is not None:
        successor = attribute.deprecated.renamed_to
        part.add_to(
            key, "deprecated", f"Attribute '{key}' is deprecated{f'; use {successor}' if successor else ''}."
        )
    if attribute.stability != "stable":
        part.add_to(key, "not_stable", f"Attribute '{key}' is not stable; stability = {attribute.stability}.")


def check_secrets(part: Checked, canaries: Iterable[str], more: Iterable[tuple[str, Value]] = ()) -> None:
    """Check that no attribute, and no other text of the part, looks like a secret."""
    for key, kind in secrets_in([*part.attributes.items(), *more], canaries):
        message = f"'{key}' of {part.signal_name} holds {kind}; redact it before it is emitted."
        if key in part.attributes:
            part.add_to(key, "sensitive_value", message)
        else:
            part.add("sensitive_value", message, member=key)
