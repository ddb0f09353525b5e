"""Find secret values in columns of tables, by the heading.

In CSV, Markdown, the tables that database clients and `kubectl` print, and `INSERT` statements of SQL.
"""

import re
from collections.abc import Callable
from typing import Final

from ael_otel.privacy import markers
from ael_otel.privacy.budget import ROW, Budget
from ael_otel.privacy.validators import looks_secret

_DELIMITERS: Final = frozenset(",;\t|\u2502\u2503")
_BESIDE: Final = _DELIMITERS | {"(", ")", "\\"}
"""In a table or in a statement of SQL, one of these, or blanks, is beside a name."""
_BARS: Final = frozenset("|\u2502\u2503")
_ALIGNED: Final = "  "
"""The text between columns that are separated by blanks."""
_LONGEST_LINE: Final = 1024
_PADDING: Final = 160
_MOST_LINES: Final = 8
_MOST_CELLS: Final = 512
_HEADING: Final = re.compile(r"[\"'`*]{0,2}[\w.()%#/-]{1,40}(?: [\w.()%#/-]{1,40}){0,2}[\"'`*]{0,2}")
# The line below a heading, and those around a table.
_RULE: Final = re.compile(r"[|+: \t\u2500-\u257f]{0,8}[-=+\u2500-\u257f][-=+|: \t\r\u2500-\u257f]*")
_COLUMNS: Final = re.compile(r"[ \t]{2,}")
_VALUES: Final = re.compile(
    r"[^()]{0,512}\)\s{0,16}(?:output [^()]{0,64})?values\s{0,16}(?=\()", re.IGNORECASE
)
# The dumps of PostgreSQL: rows in lines, their columns separated by tabs.
_COPY: Final = re.compile(r"[^()]{0,512}\)\s{0,4}from stdin[^;\n]{0,200};?[ \t]{0,8}\r?\n", re.IGNORECASE)
_TUPLE: Final = re.compile(r"\(((?:[^()']|'(?:[^'\\]|''|\\.)*+')*+)\)\s{0,16},?\s{0,16}")
_BROKEN: Final = re.compile(r"\((?:[^()']|'(?:[^'\\]|''|\\.)*+')*+(?:'|\Z)")
_MOST_BROKEN: Final = 4
"""Maximum statements with an unclosed list of values: each is read to the end of the text."""
_ITEM: Final = re.compile(r"\s*+((?:[^,']|'(?:[^'\\]|''|\\.)*+')*+)(?:,|\Z)")
_NOTHING: Final = re.compile(
    r"[-:*.xX_#\s]*|(?i:null|none|n/a|true|false|yes|no|default)|\[[A-Z_]+\]|\$\{?\w+\}?|<[^<>]*>"
)
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]+(?:[.\-/:_ ][A-Za-z_]*)*")

# A table inside a quoted text: JSON in a log, a value that Python or JavaScript printed.
_ESCAPED: Final = re.compile(r"\\{1,7}(?:r\\{1,7})?n|\\{1,7}[t\"]")
_OPENED: Final = re.compile(r"(?:.*[\s(\[{=:]|^)(\\{0,7}[\"'`])")

type Found = Callable[[int, int, str], object]


class Tables:
    """Finds the secret columns of the tables in one text; a heading, a row and a statement are each read once.

    Args:
        text: the whole text.
        kind_for: judges headings.
        found: called with the beginning, end and kind of each value.
        budget: counts each line.
        written: the text with its escapes, if `text` has real line ends instead of them, at the same positions.
    """

    def __init__(
        self,
        text: str,
        kind_for: Callable[[str], str | None],
        found: Found,
        budget: Budget,
        *,
        written: str | None = None,
    ) -> None:
        self._text = text
        self._written = written
        self._unescaped: Tables | None = None
        self._budget = budget
        self._kind_for = kind_for
        self._found = found
        self._until = 0
        self._opening = -1
        self._broken = 0

    def look(self, begin: int, end: int) -> None:
        """Report the values of a column, if a name is its heading.

        Args:
            begin: where the name begins.
            end: where it ends, without its quotes.
        """
        text = self._text
        before = text[max(0, begin - _PADDING) : begin].rstrip(" \"'`*")[-1:]
        behind = text[end : end + _PADDING].lstrip(" \"'`*")[:1]
        if self._written is None:
            if (
                behind not in _BESIDE
                and before not in _BESIDE
                and text[end : end + 2] != _ALIGNED
                and text[begin - 2 : begin] != _ALIGNED
                and text[begin - 2 : begin - 1] != "\\"
            ):
                return  # the usual case
            if (lines := self._with_line_ends(end)) is not None:
                lines.look(begin, end)
                return
        if behind in _DELIMITERS or before in _DELIMITERS:
            if begin >= self._until:
                self._heading(begin, end, behind if behind in _DELIMITERS else before)
            self._insert(begin, end)
        elif text[end : end + 2] == _ALIGNED or text[max(0, begin - 2) : begin] == _ALIGNED:
            if begin >= self._until:
                self._heading(begin, end, _ALIGNED)
        elif behind == ")" or before == "(":
            self._insert(begin, end)

    def _with_line_ends(self, end: int) -> "Tables | None":
        """Return the tables of the text with its escapes replaced, if an escaped line end ends the line of a name."""
        text = self._text
        stop = text.find("\n", end, end + _LONGEST_LINE)
        at = text.find("\\", end, end + _LONGEST_LINE if stop < 0 else stop)
        if at < 0 or (_ESCAPED.match(text, at) is None):
            return None
        if self._unescaped is None:
            plain = _ESCAPED.sub(_same_length, text)
            self._unescaped = Tables(plain, self._kind_for, self._found, self._budget, written=text)
        return self._unescaped

    def _heading(self, begin: int, end: int, delimiter: str) -> None:
        text = self._text
        if self._budget.is_spent(begin, ROW):
            return
        start = text.rfind("\n", max(0, begin - _LONGEST_LINE), begin) + 1
        stop = text.find("\n", end, end + _LONGEST_LINE)
        # The line counts as judged now, whatever the result.
        self._until = end if stop < 0 else stop
        if stop < 0 or (start == 0 and begin > _LONGEST_LINE):
            return
        heading = text[start:stop].rstrip("\r ")
        quote = ""
        if self._written is not None and (opened := _OPENED.match(self._written[start:begin])) is not None:
            quote = opened[1]
            start += opened.end()
            heading = heading[opened.end() :]
        if delimiter in {",", ";"} and (f"{delimiter} " in heading or heading[-1:] == delimiter):
            return  # a sentence, or code
        if delimiter in {",", ";"} and (said := heading.rfind(": ", 0, begin - start)) >= 0:
            heading = heading[said + 2 :]  # `the file: user,password`
        edge = delimiter in _BARS and heading.lstrip()[:1] == delimiter
        if delimiter == _ALIGNED:
            names = _COLUMNS.split(heading.strip(" \t"))
        else:
            names = [
                name.strip(" \t")
                for name in heading.strip(f"{delimiter} \t" if edge else "").split(delimiter)
            ]
        if len(names) < 2 or not all(map(_HEADING.fullmatch, names)) or names[0][:1].isdigit():
            return
        kinds = {place: kind for place, name in enumerate(names) if (kind := self._kind_of(name)) is not None}
        self._rows(stop + 1, delimiter, len(names), kinds, edge=edge, quote=quote)

    def _kind_of(self, heading: str) -> str | None:
        return self._kind_for(heading.strip(" \t\n\"'`*[]"))

    def _rows(
        self, at: int, delimiter: str, number: int, kinds: dict[int, str], *, edge: bool, quote: str = ""
    ) -> None:
        """Report the secret cells of the rows from a position on, up to the quote that encloses the table."""
        text = self._text
        end = len(text)
        while at < end:
            stop = text.find("\n", at)
            stop = len(text) if stop < 0 else stop
            if quote and (closing := _closing(self._written or "", quote, at, stop)) >= 0:
                end = stop = closing
            if delimiter not in ",;\t" and _RULE.fullmatch(text, at, stop):
                self._until = at = stop + 1
                continue
            if self._budget.is_spent(at, ROW + number // 2):
                return
            if delimiter in ",;\t":
                stop = _end_of_row(text, at, stop)
            cells = (
                _aligned(text, at, stop)
                if delimiter == _ALIGNED
                else _cells(text, at, stop, delimiter, edge=edge)
            )
            if len(cells) != number:
                return
            for place, kind in kinds.items():
                first, last = cells[place]
                value = text[first:last]
                if last - first >= 3 and not _NOTHING.fullmatch(value) and _is_value(value, kind, delimiter):
                    self._found(first, last, kind)
            self._until = at = stop + 1

    def _insert(self, begin: int, end: int) -> None:
        """Report the secret values of an `INSERT` statement, if a name is in its list of columns."""
        text = self._text
        opening = text.rfind("(", max(0, begin - 512), begin)
        if opening < 0 or opening == self._opening or text.find(")", opening, begin) >= 0:
            return
        self._opening = opening
        if self._budget.is_spent(begin, ROW):
            return
        values = _VALUES.match(text, end)
        rows = _COPY.match(text, end) if values is None else None
        if values is None and rows is None:
            return
        names = text[opening + 1 : text.find(")", end)].split(",")
        kinds = {place: kind for place, name in enumerate(names) if (kind := self._kind_of(name)) is not None}
        if rows is not None and len(names) > 1:
            self._rows(rows.end(), "\t", len(names), kinds, edge=False)
        if values is None:
            return
        at = values.end()
        row = _TUPLE.match(text, at) if self._broken < _MOST_BROKEN else None
        if row is None and self._broken < _MOST_BROKEN and _BROKEN.match(text, at) is not None:
            self._broken += 1
        while row is not None:
            if self._budget.is_spent(at, ROW + len(names) // 2):
                return
            at = row.end()
            for number, each in enumerate(_ITEM.finditer(row[1])):
                value = each[1].strip()
                first = row.start(1) + each.start(1)
                plain = value[1:-1] if len(value) > 1 and value[0] == "'" == value[-1] else ""
                if number in kinds and len(plain) >= 3 and not _NOTHING.fullmatch(plain):
                    self._found(first + 1, first + 1 + len(plain), kinds[number])
            row = _TUPLE.match(text, at)


def _closing(text: str, quote: str, at: int, stop: int) -> int:
    """Return where the quote that ends a table is in a part of a text, -1 if there is none.

    It has as many backslashes as the quote that opened the table.
    """
    at = text.find(quote, at, stop)
    while at > 0 and text[at - 1] == "\\":
        at = text.find(quote, at + 1, stop)
    return at


def _same_length(escape: "re.Match[str]") -> str:
    """Return a line end or a tab after blanks, or quotes, of the same length as its escape."""
    size, last = len(escape[0]), escape[0][-1]
    return '"' * size if last == '"' else ("\t" if last == "t" else "\n").rjust(size)


def _end_of_row(text: str, at: int, stop: int) -> int:
    """Return where a row ends whose cells may have line ends in quotes; its first line if a quote is not closed."""
    end = stop
    for _ in range(_MOST_LINES):
        if text.count('"', at, end) % 2 == 0:
            return end
        following = text.find("\n", end + 1, end + _LONGEST_LINE)
        if following < 0:
            return stop
        end = following
    return stop


def _is_value(value: str, kind: str, delimiter: str) -> bool:
    """Return whether a cell contains a value, not a person's remark."""
    if delimiter == _ALIGNED:
        return " " not in value and looks_secret(value)
    if delimiter in ",;\t" and kind == markers.PASSWORD:
        return " " not in value
    return " " not in value and len(value) >= 6 and not _IDENTIFIER.fullmatch(value)


def _aligned(text: str, at: int, stop: int) -> list[tuple[int, int]]:
    """Return the beginnings and ends of the cells of a row that blanks separate."""
    cells: list[tuple[int, int]] = []
    line = text[at:stop].rstrip()
    begin = at + len(line) - len(line.lstrip())
    while begin < at + len(line) and len(cells) < _MOST_CELLS:
        gap = _COLUMNS.search(text, begin, at + len(line))
        end = at + len(line) if gap is None else gap.start()
        cells.append((begin, end))
        begin = end if gap is None else gap.end()
    return cells


def _cells(text: str, at: int, stop: int, delimiter: str, *, edge: bool) -> list[tuple[int, int]]:
    """Return the beginnings and ends of the cells of a row, without their quotes and blanks."""
    cells: list[tuple[int, int]] = []
    while len(cells) < _MOST_CELLS:
        begin = at
        quote = text.find('"', at, at + 2)
        if quote >= 0 and not text[at:quote].strip():
            closing = text.find('"', quote + 1, stop)
            at = stop if closing < 0 else closing + 1
        following = text.find(delimiter, at, stop)
        end = stop if following < 0 else following
        inner = text[begin:end]
        left = len(inner) - len(inner.lstrip(" \t\r\"'`*"))
        cells.append((begin + left, max(begin + left, begin + len(inner.rstrip(" \t\r\"'`*")))))
        if following < 0:
            break
        at = following + 1
    if edge and len(cells) > 2:
        cells = cells[1:-1] if cells[-1][0] == cells[-1][1] else cells[1:]
    return cells
