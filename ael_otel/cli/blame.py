"""`ael blame`: who wrote each line of a file, in which session and by which call, in addition to Git's author."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import output_option, store_options, zone_option
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from ael_otel.attribution.blame import BlameLine
    from ael_otel.attribution.changes import Change
    from ael_otel.cli.render.zone import Zone


def _lines(_ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int | None]:
    """Return the range in `10,20`, `10,` (to the end), `,20` (from the beginning) or `10` (that line)."""
    if value is None:
        return 1, None
    first, comma, last = (part.strip() for part in value.partition(","))
    if not all(part.isascii() and part.isdigit() for part in (first, last) if part) or not (first or last):
        raise click.BadParameter(f"{value!r} is not a range of lines such as 10,20", param=parameter)
    start = int(first) if first else 1
    end = (int(last) if last else None) if comma else start
    if start < 1 or (end is not None and end < start):
        raise click.BadParameter(f"{value!r} ends before it starts, or starts before line 1", param=parameter)
    return start, end


@click.command(
    "blame",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    short_help="Show who wrote each line of a file: which agent, in which session and call.",
    epilog=examples(
        "ael blame src/app.ts",
        "ael blame src/app.ts -L 10,20 --output json",
        "ael blame src/app.ts --rev HEAD~1",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-L", "--lines", "lines", metavar="A,B", callback=_lines, help="Only these lines: 10,20 or 10, or ,20."
)
@click.option(
    "--rev", metavar="REV", help="Use the file at this Git revision instead of the one in the work tree."
)
@output_option("table", "json", "porcelain")
@zone_option
@store_options
def command(
    file: Path, lines: tuple[int, int | None], rev: str | None, output: str, zone: "Zone", place: Place
) -> None:
    """Show who wrote each line of FILE.

    A line is `ai` if the tool call of an agent wrote it, `human` if an imported record says so, `mixed` if overlapping
    calls may have written it, and `unknown` otherwise: nothing is guessed. Lines are looked up by their content, so
    commits, rebases and checkouts change nothing. `ael trace show` and `ael session show` open the run and the session
    of a line.

    `porcelain` is the format of `git blame --line-porcelain` with additional lines that begin with `ael-`.
    """
    from ael_otel.attribution.blame import blame
    from ael_otel.cli import streams
    from ael_otel.cli.ledgers import opened_ledgers
    from ael_otel.privacy.policy import Policy
    from ael_otel.privacy.redactor import Redactor

    with opened_ledgers(place) as found:
        blamed = blame(
            found.ledgers,
            file,
            rev=rev,
            first=lines[0],
            last=lines[1],
            excluded=Redactor(Policy.of(place.settings)).names_excluded,
        )
    try:
        if output == "json":
            streams.print_document({"lines": [_document(each) for each in blamed]})
        elif output == "porcelain":
            streams.print_bytes(_porcelain(each) for each in blamed)
        else:
            from ael_otel.cli.render.blame_view import table
            from ael_otel.cli.render.terminal import console, is_pipe, print_table

            out = console()
            print_table(out, table(blamed, width=None if is_pipe(out) else out.width, zone=zone))
    except BrokenPipeError:
        streams.give_up_stdout()


def _document(line: "BlameLine") -> dict[str, Any]:
    """Return one line as a JSON document; for overlapping calls, their common values and then each call."""
    document: dict[str, Any] = {"line": line.line, "contributor": _contributor(line)}
    for name in ("agent", "session_id", "call_id", "tool", "execution_id", "trace_id", "span_id"):
        values = {getattr(change, name) for change in line.changes}
        document[name] = values.pop() if len(values) == 1 else None
    document["time"] = None if line.change is None else _written(line.change)
    document |= {"commit": line.commit, "author": line.author, "author_time": line.time, "text": line.text}
    if len(line.changes) > 1:
        document["changes"] = [
            {
                "agent": change.agent,
                "model_id": change.model_id,
                "session_id": change.session_id,
                "call_id": change.call_id,
                "execution_id": change.execution_id,
                "trace_id": change.trace_id,
                "time": _written(change),
            }
            for change in line.changes
        ]
    return document


def _contributor(line: "BlameLine") -> dict[str, str]:
    models = {change.model_id for change in line.changes}
    model = models.pop() if len(models) == 1 else None
    return {"type": line.contributor} | ({"model_id": model} if model else {})


def _written(change: "Change") -> str:
    from ael_otel.store.times import from_us

    return from_us(change.at_us).isoformat().replace("+00:00", "Z")


def _porcelain(line: "BlameLine") -> bytes:
    """Return one line in the format of `git blame --line-porcelain`, with the change as additional headers."""
    headers = [f"{line.commit or '0' * 40} {line.original_line or line.line} {line.line} 1"]
    headers.append(f"author {line.author or 'Not Committed Yet'}")
    headers.append(f"author-mail <{line.email or 'not.committed.yet'}>")
    if line.time is not None:
        headers.append(f"author-time {line.time}")
    headers.append(f"ael-contributor {line.contributor}")
    for change in line.changes:
        headers += [
            f"ael-{name.replace('_', '-')} {value}"
            for name in ("agent", "model_id", "session_id", "call_id", "execution_id", "trace_id")
            if (value := getattr(change, name)) is not None
        ]
        headers.append(f"ael-time {_written(change)}")
    if line.summary is not None:
        headers.append(f"summary {line.summary}")
    if line.original_path is not None:
        headers.append(f"filename {line.original_path}")
    lines = [" ".join(header.splitlines()) for header in headers]
    return ("\n".join([*lines, f"\t{line.text}"]) + "\n").encode("utf-8", "surrogateescape")
