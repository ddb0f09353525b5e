"""A value in the line below its name: whatever its indentation, and whatever characters it has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.privacy.redactor import Redactor

REDACTOR = Redactor()
_PIECE = st.text("abcdefghXYZ0123456789", min_size=2, max_size=8)
_INDENT = st.integers(0, 40).map(" ".__mul__) | st.integers(1, 4).map("\t".__mul__)


@given(
    _INDENT, st.integers(0, 12), st.lists(_PIECE, min_size=2, max_size=4), st.sampled_from("&;,"), st.data()
)
def test_value_below_its_name_is_redacted_whole(
    before: str, deeper: int, pieces: list[str], sign: str, data: st.DataObject
) -> None:
    """With signs in it at which a value in a line may end."""
    value = "Zq7" + sign.join(pieces) + "8k"
    end = data.draw(st.sampled_from(["", "\n", "\r\n", "\nuser: ada\n"]))
    indent = (before + " " * deeper)[:40]
    gap = data.draw(st.sampled_from(["\n", "\r\n", "\n\n"]))
    text = f"{before}password:{gap}{indent}{value}{end}"
    if not indent.strip(" ") and gap == "\n\n" and not indent:
        return  # an empty line, and no indentation: another paragraph
    assert REDACTOR.text(text) == f"{before}password:{gap}{indent}[PASSWORD]{end}"


@pytest.mark.parametrize("indent", [2, 4, 8, 16])
@pytest.mark.parametrize(
    "below",
    [
        "description: how the door is opened",
        "type: string",
        "$ref: '#/definitions/door'",
        "string",
        "{}",
        "valueFrom:\n  secretKeyRef: db-login",
        "- read",
        "getpass()",
        "z.string().min(8),",
        "PasswordField(max=3),",
        "form.text(max_length=64),",
        "The password that was chosen at the first start.",
    ],
)
def test_description_below_a_name_stays(indent: int, below: str) -> None:
    """Schemas, mappings, words of a program, and sentences."""
    text = "password:\n" + "\n".join(" " * indent + line for line in below.split("\n")) + "\n"
    assert REDACTOR.text(text) == text
