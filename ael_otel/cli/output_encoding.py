"""Output to a terminal or file that is not UTF-8: missing characters are written in ASCII, without an error."""

import codecs
import io
import sys
from typing import Final

from ael_otel.cli.streams import nowhere

_HANDLER: Final = "ael_otel.legible"
_LIKENESS: Final = str.maketrans(
    {
        "\N{HORIZONTAL ELLIPSIS}": "...",
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHTWARDS ARROW}": "->",
        "\N{BULLET}": "*",
        "\N{MULTIPLICATION SIGN}": "x",
        "\N{REPLACEMENT CHARACTER}": "?",
        "\N{BLACK CIRCLE}": "*",
        "\N{BOX DRAWINGS LIGHT VERTICAL}": "|",
        "\N{BOX DRAWINGS LIGHT HORIZONTAL}": "-",
        "\N{BOX DRAWINGS LIGHT VERTICAL AND RIGHT}": "|",
        "\N{BOX DRAWINGS LIGHT UP AND RIGHT}": "`",
    }
)


def degrade_output() -> None:
    r"""Make stdout and stderr accept every text, and open those that were closed at the start on the null device.

    A character that is missing in their encoding is written as the nearest ASCII text, else as an escape: `\u4e16`.
    """
    codecs.register_error(_HANDLER, _legible)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Python has no stream if the descriptor was closed (`>&-`), but libraries write to it.
            setattr(sys, name, nowhere())
        elif isinstance(stream, io.TextIOWrapper):
            # UTF-8 lacks only lone surrogates.
            stream.reconfigure(errors=_HANDLER)


def _legible(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_LIKENESS)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end
