"""The pages: one function each, which reads the store and renders its template in a thread."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from ael_otel.cost import summarise
from ael_otel.cost.summary import COST_KEYS, CostKey
from ael_otel.cost.wording import amounts
from ael_otel.errors import (
    AelOtelError,
    QueryError,
    RunNotFoundError,
    SessionNotFoundError,
    StoreNotFoundError,
)
from ael_otel.export.compare import compare
from ael_otel.export.page import waterfall_of
from ael_otel.export.session_page import session_waterfall
from ael_otel.export.waterfall import Section, allowed, moment, style, took, word
from ael_otel.insights import MAX_RUNS, insights
from ael_otel.sessions.wording import lasted_us, state
from ael_otel.store import ExecutionRecord, Page, RunQuery, TelemetryStore
from ael_otel.store.times import from_us, to_us
from ael_otel.ui import views
from ael_otel.ui.filters import FIELDS, STATUSES, read_filters
from ael_otel.ui.grafana import Grafana
from ael_otel.ui.live import Live
from ael_otel.ui.readers import SLOW, Reader, Readers, TookTooLongError
from ael_otel.ui.rows import MAX_ROWS, content, failures, rows

RUNS: Final = 50
"""Runs, or sessions, of one page."""

WEEK: Final = {"since": "7d"}
"""The filter of the pages that look at whole runs, unless the address has another one."""

_CANDIDATES: Final = 6
_FAILURES: Final = 10
_LINKED: Final = 100
"""Runs of a session whose records are read for its page."""

_SESSION_FIELDS: Final = ("agent", "status", "since", "until")
_SESSION_STATUSES: Final = ("running", "idle", "ended", "abandoned")
_ASSETS: Final[Mapping[str, str]] = {
    "style.css": "text/css; charset=utf-8",
    "ui.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@cache
def asset(name: str) -> bytes:
    """Return a file that pages load; the style sheet begins with that of the pages of `ael trace show --web`."""
    own = files("ael_otel.ui").joinpath("assets", name).read_bytes()
    return style().encode() + own if name == "style.css" else own


@cache
def version() -> str:
    """Return the version of these files, which their addresses carry, since browsers keep them."""
    return hashlib.sha256(b"".join(map(asset, _ASSETS))).hexdigest()[:12]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ael_otel.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        moment=moment, took=took, word=word, short=views.short, amounts=amounts, number="{:,}".format
    )
    cast("dict[str, Any]", environment.globals).update(
        version=version(),
        statuses=STATUSES,
        run_address=views.run_address,
        address=views.address,
        DIRECT=views.DIRECT,
    )
    return environment


def _printable(value: Any) -> Any:
    return allowed(value) if type(value) is str else "" if value is None else value


def render(template: str, **values: Any) -> str:
    """Return a template as HTML; every text is escaped."""
    return _environment().get_template(template).render(**values)


def load_templates() -> None:
    """Compile the templates, which takes as long as some pages."""
    environment = _environment()
    for name in environment.list_templates():
        environment.get_template(name)


class Pages:
    """The pages of one server.

    Args:
        readers: run what reads the store.
        grafana: where traces are shown.
        live: streams of new rows.
    """

    def __init__(self, readers: Readers, grafana: Grafana, live: Live) -> None:
        self._readers = readers
        self._grafana = grafana
        self._live = live

    async def runs(self, request: Request) -> Response:
        """List runs, newest first."""
        filters = read_filters(request.query_params, limit=RUNS)

        def work(reader: Reader) -> str:
            empty = Page([])
            page = empty if filters.mistakes else _found(reader, filters.query)
            body = table(page)
            newest = filters.query.cursor is None and not filters.mistakes
            live = filters.address("/events", seen=Live.digest(body)) if newest else None
            following = None if page.cursor is None else filters.address("/", cursor=page.cursor)
            return render(
                "runs.html",
                here="/",
                filters=filters,
                rows=body,
                live=live,
                following=following,
                newest=filters.address("/"),
                first=newest,
            )

        return await self._html(work, status=400 if filters.mistakes else 200)

    async def events(self, request: Request) -> Response:
        """Send the rows of the first page whenever they change."""
        filters = read_filters(request.query_params, limit=RUNS)
        if filters.mistakes or filters.query.cursor is not None:
            raise HTTPException(400, "The filters have a mistake")
        if not self._live.free:
            raise HTTPException(503, "Too many pages are open: close one of them")

        async def read() -> str:
            return await self._readers.read(lambda reader: table(_found(reader, filters.query)))

        seen = request.headers.get("last-event-id") or request.query_params.get("seen", "")
        headers = {"cache-control": "no-store"}
        return StreamingResponse(
            self._live.stream(read, seen), headers=headers, media_type="text/event-stream"
        )

    async def run(self, request: Request) -> Response:
        """Show one run."""
        wanted = _parameter(request, "id")
        first = _number(request, "from")

        def work(reader: Reader) -> str:
            run = _run(reader.source.runs, wanted)
            sections = [
                each
                for each in (views.model_calls(run), views.shortened(reader.source.attribution(run)))
                if each
            ]
            page = waterfall_of(run, sections)
            key = run.execution_id
            shown = rows(page, views.address("/row", id=key, n=""), first)
            session = run.metadata.get("session_id")
            return render(
                "run.html",
                here="/",
                page=page,
                rows=shown,
                failures=failures(page, _FAILURES),
                execution_id=key,
                first=first,
                most=MAX_ROWS,
                session=session if isinstance(session, str) and session else None,
                before=_run_before(reader.source.runs, run),
                grafana=self._grafana.trace(run),
                truncated=len(page.rows) > first + MAX_ROWS,
            )

        return await self._html(work)

    async def row(self, request: Request) -> Response:
        """Show one row of the waterfall of a run or a session with its whole content."""
        wanted, session = _parameter(request, "id"), request.query_params.get("of") == "session"
        number = _number(request, "n")

        def work(reader: Reader) -> str:
            page = (
                _session_page(reader, wanted)[0]
                if session
                else waterfall_of(_run(reader.source.runs, wanted))
            )
            if number >= len(page.rows):
                raise HTTPException(404, f"There is no row {number:,}")
            row = page.rows[number]
            return render(
                "row.html",
                here="/sessions" if session else "/",
                row=row,
                content=content(row),
                back=views.address("/session" if session else "/run", id=wanted),
                of=page.title,
            )

        return await self._html(work)

    async def logs(self, request: Request) -> Response:
        """Show what the code of a run printed, and its log lines."""
        wanted = _parameter(request, "id")

        def work(reader: Reader) -> str:
            run = _run(reader.source.runs, wanted)
            problem, lines = "", None
            try:
                lines = reader.source.log_lines(run)
            except AelOtelError as error:
                problem = str(error)
            return render(
                "logs.html", here="/", run=run, printed=list(views.printed(run)), lines=lines, problem=problem
            )

        return await self._html(work)

    async def diff(self, request: Request) -> Response:
        """Compare two runs."""
        wanted = [each for each in request.query_params.getlist("run") if each]
        if len(wanted) != 2:
            raise HTTPException(400, f"Choose two runs to compare, not {len(wanted)}")

        def work(reader: Reader) -> str:
            a, b = (_run(reader.source.runs, each) for each in wanted)
            found = compare(a, b)
            return render(
                "diff.html",
                here="/",
                runs=(("A", a), ("B", b)),
                found=found,
                timings=[views.timing(each) for each in found.timings[1 : views.MAX_SHEET + 1]],
                changed=views.changed(found),
            )

        return await self._html(work)

    async def sessions(self, request: Request) -> Response:
        """List sessions of agents, newest first."""
        given = {name: request.query_params.get(name, "").strip() for name in _SESSION_FIELDS}
        filters = read_filters({name: given[name] for name in ("since", "until")}, limit=None)
        texts = {name: text for name, text in given.items() if text}
        query, wrong = filters.query, bool(filters.mistakes)

        def work(reader: Reader) -> str:
            found = (
                []
                if wrong
                else reader.source.sessions.select(
                    agent=given["agent"] or None,
                    status=given["status"] or None,
                    since_us=None if query.since is None else to_us(query.since),
                    until_us=None if query.until is None else to_us(query.until),
                    limit=RUNS + 1,
                )
            )
            following = None
            if len(found) > RUNS:
                last = from_us(found[RUNS - 1].started_us)
                following = views.address("/sessions", **{**texts, "until": last.isoformat()})
            listed = [
                (each, state(each), from_us(each.started_us), lasted_us(each) / 1e3) for each in found[:RUNS]
            ]
            return render(
                "sessions.html",
                here="/sessions",
                texts=texts,
                mistakes=filters.mistakes,
                sessions=listed,
                following=following,
                session_statuses=_SESSION_STATUSES,
            )

        return await self._html(work, status=400 if wrong else 200)

    async def session(self, request: Request) -> Response:
        """Show one session."""
        wanted, first = _parameter(request, "id"), _number(request, "from")

        def work(reader: Reader) -> str:
            page, key = _session_page(reader, wanted)
            shown = rows(page, views.address("/row", of="session", id=key, n=""), first)
            return render(
                "session.html",
                here="/sessions",
                page=page,
                rows=shown,
                session_id=key,
                first=first,
                most=MAX_ROWS,
                truncated=len(page.rows) > first + MAX_ROWS,
            )

        return await self._html(work)

    async def insights(self, request: Request) -> Response:
        """List what stands out in many runs."""
        filters = read_filters(request.query_params, limit=None, default=_week(request))

        def work(reader: Reader) -> str:
            found = None
            if not filters.mistakes:
                store = _or_none(reader)
                runs = (
                    iter(()) if store is None else store.iterate(replace(filters.query, limit=MAX_RUNS + 1))
                )
                found = insights(reader.bounded(runs))
            return render("insights.html", here="/insights", filters=filters, found=found)

        return await self._html(work, times=SLOW, status=400 if filters.mistakes else 200)

    async def cost(self, request: Request) -> Response:
        """Sum up what model calls cost."""
        filters = read_filters(request.query_params, limit=None, default=_week(request))
        key = request.query_params.get("by", "model")
        by = cast("CostKey", key if key in COST_KEYS else "model")

        def work(reader: Reader) -> str:
            calls = []
            if not filters.mistakes and _or_none(reader) is not None:
                calls = reader.source.model_calls(filters.query)
            found = summarise(by, calls)
            return render(
                "cost.html",
                here="/cost",
                filters=filters,
                by=by,
                keys=COST_KEYS,
                rows=found[: views.MAX_SHEET],
                left=max(len(found) - views.MAX_SHEET, 0),
                total=next(iter(summarise(None, calls)), None),
                unpriced=views.unpriced(calls),
            )

        return await self._html(work, times=SLOW, status=400 if filters.mistakes else 200)

    async def asset(self, request: Request) -> Response:
        """Return the style sheet, the script or the icon."""
        name = request.path_params["name"]
        if name not in _ASSETS:
            raise HTTPException(404, "There is no such file")
        headers = {"cache-control": "public, max-age=86400"}
        return Response(asset(name), headers=headers, media_type=_ASSETS[name])

    async def _html(self, work: Callable[[Reader], str], *, times: float = 1, status: int = 200) -> Response:
        return HTMLResponse(await self._readers.read(work, times=times), status_code=status)


def table(page: Page) -> str:
    """Return the rows of the list of runs."""
    return render("_rows.html", runs=page.runs)


def application(pages: Pages) -> Starlette:
    """Return the ASGI application; who may use it is decided by the gate in front of it."""

    def route(path: str, page: Callable[[Request], Awaitable[Response]]) -> Route:
        return Route(path, page, methods=["GET"])

    return Starlette(
        routes=[
            route("/", pages.runs),
            route("/events", pages.events),
            route("/run", pages.run),
            route("/row", pages.row),
            route("/logs", pages.logs),
            route("/diff", pages.diff),
            route("/sessions", pages.sessions),
            route("/session", pages.session),
            route("/insights", pages.insights),
            route("/cost", pages.cost),
            route("/assets/{name}", pages.asset),
        ],
        exception_handlers={AelOtelError: _failed, HTTPException: _failed, Exception: _failed},
    )


_TITLES: Final[Mapping[int, str]] = {
    400: "That cannot be shown",
    404: "Not found",
    405: "Only GET and HEAD",
    500: "Something went wrong",
    503: "The store could not be read",
}


async def _failed(_request: Request, error: Exception) -> Response:
    """Return the page of an error."""
    match error:
        case HTTPException():
            status, text = error.status_code, error.detail
        case StoreNotFoundError() | RunNotFoundError() | SessionNotFoundError():
            status, text = 404, str(error)
        case QueryError():
            status, text = 400, str(error)
        case TookTooLongError():
            status, text = 503, f"{error}: narrow the filters, or start ael ui with a longer --timeout"
        case AelOtelError():
            status, text = 503, str(error)
        case _:
            status, text = 500, "The terminal in which ael ui runs shows the error."
    page = render("problem.html", here=None, title=_TITLES.get(status, "That cannot be shown"), text=text)
    return HTMLResponse(page, status_code=status)


def _parameter(request: Request, name: str) -> str:
    found = request.query_params.get(name, "").strip()
    if not found:
        raise HTTPException(404, f"The address has no {name}")
    return found


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise HTTPException(404, f"{name} is not a number of a row")
    return int(text)


def _week(request: Request) -> Mapping[str, str]:
    """Return the default filter for an address without any filter; an empty `since` in it asks for all times."""
    return {} if any(name in request.query_params for name in FIELDS) else WEEK


def _or_none(reader: Reader) -> TelemetryStore | None:
    """Return the store of runs; None if nothing has been recorded yet."""
    try:
        return reader.source.runs
    except StoreNotFoundError:
        return None


def _found(reader: Reader, query: RunQuery) -> Page:
    store = _or_none(reader)
    return Page([]) if store is None else store.query(query)


def _run(store: TelemetryStore, wanted: str) -> ExecutionRecord:
    """Return the run with this id, or the only one whose id begins so.

    Raises:
        RunNotFoundError: there is none.
        QueryError: there are several.
    """
    run = store.get(wanted)
    if run is None:
        found = store.find(wanted, _CANDIDATES)
        if len(found) > 1:
            raise QueryError(f"{wanted!r} is the beginning of several ids: {', '.join(found)}")
        run = store.get(found[0]) if found else None
    if run is None:
        raise RunNotFoundError(wanted)
    return run


def _run_before(store: TelemetryStore, run: ExecutionRecord) -> str | None:
    """Return the id of the run of the same workflow that started before this one."""
    if run.workflow_name is None:
        return None
    found = store.query(RunQuery(workflow=run.workflow_name, until=run.started_at, limit=1)).runs
    return found[0].execution_id if found else None


def _session_page(reader: Reader, wanted: str) -> Any:
    """Return what the page of a session shows, and the id of the session."""
    stores = reader.source.sessions
    record, of = stores.find(wanted)
    session = of.session(record)
    if session is None:
        raise SessionNotFoundError(wanted, f"no session {wanted[:80]!r} is stored any more")
    named = [entry.execution_id for entry in session.entries if entry.execution_id]
    ids = list(dict.fromkeys([*stores.runs_of(record), *named]))[:_LINKED]
    runs = [run for each in ids if (run := stores.run(each)) is not None]
    page = session_waterfall(
        session, runs, {run.execution_id: views.run_address(run.execution_id) for run in runs}
    )
    written = reader.source.written(record)
    if written is not None:
        page = replace(page, sections=[*page.sections, Section("Lines", [written], [])])
    return replace(page, sections=[views.shortened(each) for each in page.sections]), record.session_id
