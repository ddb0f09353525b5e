"""The command line of `deploy/stack.py`."""

import argparse
import sys
from collections.abc import Sequence

from ael_stack import images, lifecycle
from ael_stack.docker import Docker, require_docker
from ael_stack.errors import Exit, StackError
from ael_stack.services import BUILDABLE, SERVICES, check_names
from ael_stack.settings import PROJECT, load_environment

EPILOG = """\
Exit codes: 0 done; 1 a service failed or did not become ready; 2 wrong command line or setting;
3 this machine lacks something (Docker, Compose, an image, Go, a free port).
Settings come from the environment and from .env in the root of the repository: see deploy/.env.example.
"""

TAIL_SAMPLING = "deploy/compose.tail-sampling.yaml"


def positive(text: str) -> float:
    """Return a number of seconds above zero."""
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    main_parser = argparse.ArgumentParser(
        prog="stack.py",
        description="Start, stop and look after the AEL observability stack.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main_parser.add_argument(
        "-p", "--project", default=PROJECT, help="Compose project (default: %(default)s)"
    )
    main_parser.add_argument(
        "--override",
        action="append",
        default=[],
        metavar="FILE",
        help="Compose file laid over compose.yaml; repeatable",
    )
    verbs = main_parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verb_up = verbs.add_parser("up", help="start, wait until ready, print the links")
    verb_up.add_argument(
        "services", nargs="*", metavar="SERVICE", help=f"default: all of {', '.join(SERVICES)}"
    )
    verb_up.add_argument(
        "--available", action="store_true", help="leave out services whose image cannot be had"
    )
    verb_up.add_argument(
        "--timeout", type=positive, default=180, metavar="SECONDS", help="default: %(default)s"
    )
    verb_up.add_argument(
        "--tail-sampling", action="store_true", help="keep failed and slow traces, and a share of the others"
    )
    verbs.add_parser("down", help="stop; data is kept")
    verb_status = verbs.add_parser("status", help="show what runs")
    verb_status.add_argument("services", nargs="*", metavar="SERVICE")
    verb_clean = verbs.add_parser("clean-data", help="stop and delete all data; asks first")
    verb_clean.add_argument("--yes", action="store_true", help="do not ask")
    verb_images = verbs.add_parser(
        "images", help=f"build from source what is missing: {', '.join(BUILDABLE)}"
    )
    verb_images.add_argument("services", nargs="*", metavar="SERVICE")
    verb_images.add_argument("--force", action="store_true", help="build even what is up to date")
    verb_pull = verbs.add_parser("pull", help="pull the images that are absent; starts nothing")
    verb_pull.add_argument("services", nargs="*", metavar="SERVICE")
    verbs.add_parser("links", help="print where the services can be reached")
    verb_resolve = verbs.add_parser(
        "resolve", help="print the image that each service would get; pulls nothing"
    )
    verb_resolve.add_argument("--json", action="store_true", dest="as_json")
    return main_parser


def dispatch(arguments: argparse.Namespace) -> Exit:
    """Run the verb that was asked for."""
    overrides = [
        *([TAIL_SAMPLING] if getattr(arguments, "tail_sampling", False) else []),
        *arguments.override,
    ]
    docker = Docker(load_environment(), arguments.project, tuple(overrides))
    if arguments.verb == "links":
        lifecycle.print_links(SERVICES, docker.environment)
        return Exit.OK
    allowed = BUILDABLE if arguments.verb == "images" else SERVICES
    services = check_names(getattr(arguments, "services", []), allowed)
    require_docker(docker)
    if arguments.verb == "up":
        lifecycle.up(services, docker, available=arguments.available, seconds=arguments.timeout)
    elif arguments.verb == "down":
        lifecycle.down(docker)
    elif arguments.verb == "status":
        return lifecycle.status(services, docker)
    elif arguments.verb == "clean-data":
        lifecycle.clean_data(docker, yes=arguments.yes)
    elif arguments.verb == "images":
        images.build_all(services, docker, force=arguments.force)
    elif arguments.verb == "pull":
        return lifecycle.pull_absent(services, docker)
    else:
        lifecycle.print_resolution(services, docker, as_json=arguments.as_json)
    return Exit.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; a failure is one message on stderr and an exit code."""
    try:
        return dispatch(parser().parse_args(argv))
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("\nstack: interrupted; `make status` shows what runs, `make down` stops it.", file=sys.stderr)
        return 130
