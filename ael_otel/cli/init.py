"""`ael init`: a first project with a configuration, the user's MCP servers, and a workflow that runs at once."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ael_otel.cli.options import examples
from ael_otel.errors import ConfigError

if TYPE_CHECKING:
    from ael_otel.config.client_files import ClientServer


@click.command(
    "init",
    short_help="Write a configuration and a first workflow.",
    epilog=examples(
        "ael init",
        "ael init my-project --yes",
        "ael init --from ~/.claude.json --only github",
        "ael init --server 'files=npx -y @modelcontextprotocol/server-filesystem .'",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option(
    "--from",
    "sources",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    multiple=True,
    help="A client's file with MCP servers. Default: .mcp.json and similar files in FOLDER.",
)
@click.option(
    "--server",
    "named",
    metavar="NAME=COMMAND|URL",
    multiple=True,
    help="One MCP server: the command that starts it, or its address.",
)
@click.option("--only", metavar="NAME", multiple=True, help="Use only this server from the files.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask; use the servers in FOLDER's own files.")
def command(
    folder: Path, sources: tuple[Path, ...], named: tuple[str, ...], only: tuple[str, ...], yes: bool
) -> None:
    """Write a configuration and the workflow `hello` to FOLDER (by default the working directory).

    MCP servers come from the files of a client (Claude, Cursor, VS Code, Gemini, Windsurf, Zed, Codex), or from
    --server; on a terminal, `ael init` asks which. Secrets are not copied: the configuration refers to variables, and
    the variables to set are listed. An existing file is not overwritten.
    """
    from ael_otel.config.client_files import HOME_FILES, PROJECT_FILES, read_client_file
    from ael_otel.demo.example import write_new_files
    from ael_otel.demo.new_project import plan_project
    from ael_otel.privacy.redactor import Redactor

    servers = [_named_server(each) for each in named]
    ask = not yes and not (sources or named or only) and _on_a_terminal()
    for file in sources:
        found = read_client_file(file, folder)
        if not found:
            raise ConfigError(f"{file}: contains no MCP servers", path=file)
        servers += found
    if not sources:
        servers += _found(folder, PROJECT_FILES, folder)
    if ask:
        own = {server.name for server in servers}
        home = os.environ.get("HOME")
        servers += _found(Path(home), HOME_FILES, folder) if home else []
        servers = _choose(_first_of_each_name(servers), own)
    servers = _first_of_each_name(servers)
    if only:
        servers = _only(servers, only)
    project = plan_project(folder, servers, os.environ, Redactor())
    write_new_files(project.files)
    for path in project.files:
        click.echo(f"Wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    if project.servers:
        click.echo(f"MCP servers: {', '.join(project.servers)}")
    for text in project.left_out:
        click.echo(f"Left out, as a comment: {text}")
    for name, server in project.variables.items():
        click.echo(f"Set {name}: the MCP server {server} needs it")
    for text in project.notes:
        click.echo(f"Look at: {text}")
    click.echo("\nTry:")
    if folder.absolute() != Path.cwd():
        click.echo(f"  cd {folder}")
    click.echo("  ael run hello -i name=Ada")
    click.echo("  ael trace list")


def _found(where: Path, names: Sequence[str], folder: Path) -> "list[ClientServer]":
    """Return the servers in the client files that exist; one that cannot be read is reported, since it is a default."""
    from ael_otel.config.client_files import read_client_file

    servers: list[ClientServer] = []
    for file in (where / name for name in names):
        if file.is_file():
            try:
                servers += read_client_file(file, folder)
            except ConfigError as error:
                click.echo(f"ael: ignored: {error}", err=True)
    return servers


def _on_a_terminal() -> bool:
    return sys.stdin.isatty()


def _named_server(text: str) -> "ClientServer":
    import shlex

    from ael_otel.config.client_files import ClientServer

    name, equals, what = text.partition("=")
    if not equals or not name.strip() or not what.strip():
        raise click.BadParameter("write NAME=COMMAND or NAME=URL", param_hint="--server")
    if what.startswith(("http://", "https://")):
        return ClientServer(name.strip(), url=what.strip())
    try:
        return ClientServer(name.strip(), words=tuple(shlex.split(what)))
    except ValueError as error:
        raise click.BadParameter(
            f"the command of {name} cannot be split into words: {error}", param_hint="--server"
        ) from None


def _first_of_each_name(servers: "Sequence[ClientServer]") -> "list[ClientServer]":
    found: dict[str, ClientServer] = {}
    for server in servers:
        found.setdefault(server.name, server)
    return list(found.values())


def _only(servers: "Sequence[ClientServer]", only: Sequence[str]) -> "list[ClientServer]":
    by_name = {server.name: server for server in servers}
    for name in only:
        if name not in by_name:
            there = ", ".join(by_name) or "none"
            raise click.BadParameter(
                f"no MCP server is named {name!r}; there are: {there}", param_hint="--only"
            )
    return [by_name[name] for name in dict.fromkeys(only)]


def _choose(servers: "list[ClientServer]", own: set[str]) -> "list[ClientServer]":
    """Ask which servers to use; if there are none, ask for the command or address of one."""
    if not servers:
        what = click.prompt(
            "Command or URL of an MCP server (empty for none)", default="", show_default=False
        )
        return [_named_server(f"{click.prompt('Its name', default='tools')}={what}")] if what.strip() else []
    for server in servers:
        click.echo(f"  {server.name:24} {server.source}")
    default = ", ".join(server.name for server in servers if server.name in own) or "none"
    while True:
        answer = click.prompt("Which MCP servers (names with commas, all or none)", default=default).strip()
        if answer == "all":
            return servers
        if answer == "none":
            return []
        try:
            return _only(servers, [name.strip() for name in answer.split(",") if name.strip()])
        except click.BadParameter as error:
            click.echo(error.message)
