"""The verbs: up, down, status, clean-data, pull, links, resolve."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from ael_stack import ports, secret
from ael_stack.docker import Container, Docker, last_line
from ael_stack.errors import Exit, StackError
from ael_stack.progress import Progress
from ael_stack.services import BUILDABLE, Choice, Source, choose, configuration_settings, image_variable
from ael_stack.settings import PORTS, port_number

POLL_SECONDS = 0.5
LOG_LINES = "15"
PULL_SECONDS = 900


def resolve(services: Iterable[str], docker: Docker) -> list[Choice]:
    """Choose an image for each service; asks no registry."""
    return [choose(service, docker.environment, docker) for service in services]


def pull(choice: Choice, docker: Docker) -> str:
    """Pull an image; return why that failed, empty when it did not."""
    try:
        said = docker.run("pull", "--quiet", choice.image, timeout=PULL_SECONDS)
    except subprocess.TimeoutExpired:
        return f"no end after {PULL_SECONDS} s"
    return "" if said.returncode == 0 else last_line(said.stderr)


def obtain(
    choices: Sequence[Choice], docker: Docker, title: str = "up"
) -> tuple[list[Choice], dict[str, str]]:
    """Pull what is missing; return what can be started, and why the rest cannot."""
    usable: list[Choice] = []
    refused: dict[str, str] = {}
    with Progress(title) as progress:
        for choice in choices:
            if not choice.present:
                name = choice.image.partition("@")[0]
                progress.show(name if title == "pull" else f"pulling {name}")
                reason = pull(choice, docker)
                if reason:
                    refused[choice.service] = unavailable(choice, reason)
                    continue
            usable.append(choice)
    return usable, refused


def pull_absent(services: Iterable[str], docker: Docker) -> Exit:
    """Pull the images that are absent, one line for each that cannot be had; OK only when all are here."""
    _, refused = obtain(resolve(services, docker), docker, "pull")
    for line in refused.values():
        print(line, file=sys.stderr)
    return Exit.MISSING if refused else Exit.OK


def unavailable(choice: Choice, reason: str) -> str:
    """Return the line for an image that cannot be had."""
    name = choice.image.partition("@")[0]
    variable = image_variable(choice.service)
    if choice.source is Source.OVERRIDE:
        advice = f"{variable} names it: correct or unset it"
    elif choice.service in BUILDABLE:
        advice = f"build it with `make images`, or set {variable} to an image you have"
    else:
        advice = f"set {variable} to an image you have"
    why = reason.removeprefix("Error response from daemon: ")
    return f"{choice.service}: {name} is not on this machine and cannot be pulled ({why}); {advice}."


def require_all(refused: Mapping[str, str], usable: Sequence[Choice], *, available: bool) -> None:
    """Decide whether to continue without the services whose image is not available.

    Raises:
        StackError: services are missing and the person did not ask for the rest alone, or nothing is left.
    """
    if not refused:
        return
    lines = "\n".join(refused.values())
    if not available:
        raise StackError(f"{lines}\nTo start without them: `make up UP_ARGS=--available`.", Exit.MISSING)
    print(f"Left out:\n{lines}", file=sys.stderr)
    if not usable:
        raise StackError("No service is left to start.", Exit.MISSING)


def tell_built(choices: Sequence[Choice]) -> None:
    """Say which services run from images built here, and what that leaves out."""
    built = [choice.service for choice in choices if choice.source is Source.BUILT]
    if built:
        print(f"Built from source on this machine: {', '.join(built)}.")
    pages = [name for name in ("prometheus", "alertmanager") if name in built]
    if pages:
        print(f"Without a web page of its own when built from source, API only: {', '.join(pages)}.")


def image_settings(choices: Iterable[Choice]) -> dict[str, str]:
    """Return the variables by which Compose learns the chosen images."""
    return {image_variable(choice.service): choice.image for choice in choices}


def up(services: Sequence[str], docker: Docker, *, available: bool, seconds: float) -> None:
    """Start the services and wait until each is ready.

    Raises:
        StackError: one line that says what is missing or which service failed.
    """
    running = {name for name, container in docker.containers().items() if container.state == "running"}
    ports.require_free((service for service in services if service not in running), docker.environment)
    choices, refused = obtain(resolve(services, docker), docker)
    require_all(refused, choices, available=available)
    tell_built(choices)
    fresh_data = f"{docker.project}_grafana-data" not in docker.volumes()
    # Before the start: a password that waits for a start that fails would never be printed.
    tell_password(secret.ensure(), fresh_data=fresh_data)
    secret.ensure_folder()
    names = [choice.service for choice in choices]
    start(names, docker.with_settings(settings_for(choices, docker)), partial=bool(refused), seconds=seconds)
    print_links(names, docker.environment)
    if "grafana" in names:
        print(f"Grafana: user admin, password in {secret.FILE}")


def settings_for(choices: Sequence[Choice], docker: Docker) -> dict[str, str]:
    """Return Compose's variables: hashes of the configuration files, and the chosen images.

    Prometheus's image is needed for the Collector too, whose volume it prepares. The variable of a service that is not
    started stays unset, so that Compose keeps its own default.
    """
    settings = {**configuration_settings(), **image_settings(choices)}
    if "collector" in {choice.service for choice in choices} and "AEL_PROMETHEUS_IMAGE" not in settings:
        settings |= image_settings(resolve(["prometheus"], docker))
    return settings


def tell_password(password: str | None, *, fresh_data: bool) -> None:
    """Print Grafana's password if it was generated just now; None says that it was not."""
    if password is None:
        return
    print(f"Grafana: user admin, password {password}  (kept in {secret.FILE}; not printed again)", flush=True)
    if not fresh_data:
        print(
            "Grafana's data is older than this password: the old one stays in force until you reset it with\n"
            "`docker compose exec grafana grafana cli admin reset-admin-password NEW`."
        )


def start(services: Sequence[str], docker: Docker, *, partial: bool, seconds: float) -> None:
    """Run `docker compose up` and wait until every service is ready.

    Raises:
        StackError: Compose failed, a service stopped, or the time is up.
    """
    # With services left out, what depends on them is started without them: Grafana without Tempo still shows metrics.
    alone = ["--no-deps"] if partial else []
    names = [*(["collector-init"] if partial and "collector" in services else []), *services]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as said,
        docker.start_compose(
            "up", "--detach", "--pull", "never", "--no-build", *alone, *names, output=said
        ) as process,
        Progress("up") as progress,
    ):
        try:
            wait(services, docker, process, progress, seconds)
        except StackError:
            process.terminate()
            raise
        if process.wait() != 0:
            said.seek(0)
            raise StackError(f"docker compose up failed: {last_line(said.read())}")


def wait(
    services: Sequence[str],
    docker: Docker,
    process: subprocess.Popen[str],
    progress: Progress,
    seconds: float,
) -> None:
    """Poll until every service is ready or Compose has failed.

    Raises:
        StackError: a service stopped or the time is up.
    """
    while True:
        ended = process.poll()
        containers = docker.containers()
        waiting = [name for name in services if name not in containers or not containers[name].ready]
        progress.show(overview(services, containers))
        if (ended == 0 and not waiting) or ended:
            return
        fail_early(containers.values(), docker)
        if progress.seconds > seconds:
            raise StackError(
                f"Not ready after {seconds:.0f} s: {', '.join(waiting)}.\n{logs(waiting[0], docker)}"
                if waiting
                else f"docker compose up did not end within {seconds:.0f} s."
            )
        time.sleep(POLL_SECONDS)


def fail_early(containers: Iterable[Container], docker: Docker) -> None:
    """Stop waiting for a service that has already failed.

    Raises:
        StackError: a service ended with an error, restarts over and over, or is unhealthy.
    """
    for container in containers:
        failed = container.state == "exited" and container.exit_code != 0
        if failed or container.state in {"restarting", "dead"} or container.health == "unhealthy":
            state = (
                "is unhealthy"
                if container.health == "unhealthy"
                else f"stopped with code {container.exit_code}"
            )
            raise StackError(
                f"{container.service} {state}. Its last lines:\n{logs(container.service, docker)}"
            )


def logs(service: str, docker: Docker) -> str:
    """Return the last lines that a service wrote."""
    return docker.compose(
        "logs", "--no-color", "--no-log-prefix", "--tail", LOG_LINES, service
    ).stdout.strip()


def overview(services: Sequence[str], containers: Mapping[str, Container]) -> str:
    """Return `4 of 6 ready; loki starting, tempo waiting`."""
    states = {name: describe(containers.get(name)) for name in services}
    waiting = [f"{name} {state}" for name, state in states.items() if state != "ready"]
    return "; ".join(
        [f"{len(states) - len(waiting)} of {len(states)} ready", *([", ".join(waiting)] if waiting else [])]
    )


def describe(container: Container | None) -> str:
    """Return one word for the state of a service."""
    if container is None:
        return "waiting"
    if container.ready:
        return "ready"
    return container.health if container.state == "running" and container.health else container.state


def down(docker: Docker) -> None:
    """Stop and remove the containers; data stays in the volumes.

    Raises:
        StackError: Compose failed.
    """
    with Progress("down") as progress:
        progress.show("stopping; stores write what they hold")
        said = docker.compose("down", "--remove-orphans")
    if said.returncode != 0:
        raise StackError(f"docker compose down failed: {last_line(said.stderr)}")
    print("Stopped. Data is kept; `make clean-data` deletes it.")


def status(services: Sequence[str], docker: Docker) -> Exit:
    """Print what runs; the result is OK only when everything asked for is ready."""
    containers = docker.containers()
    print(f"{'service':<14}{'state':<12}{'from':<10}image")
    for choice in resolve(services, docker):
        state = describe(containers.get(choice.service)) if choice.service in containers else "not started"
        origin = choice.source.value if choice.present else "(absent)"
        print(f"{choice.service:<14}{state:<12}{origin:<10}{choice.image.partition('@')[0]}")
    ready = all(name in containers and containers[name].ready for name in services)
    return Exit.OK if ready else Exit.FAILED


def clean_data(docker: Docker, *, yes: bool) -> None:
    """Delete the volumes of the stack, after asking.

    Raises:
        StackError: the user declined or cannot be asked, or Docker failed.
    """
    volumes = docker.volumes()
    if not volumes:
        print("There is no data.")
        return
    print("This deletes all metrics, logs, traces, undelivered data and Grafana's own settings:")
    print("\n".join(f"  {volume}" for volume in sorted(volumes)))
    if not yes:
        confirm()
    said = docker.compose("down", "--volumes", "--remove-orphans")
    left = docker.volumes()
    if said.returncode != 0 or left:
        raise StackError(f"Not everything could be deleted: {', '.join(left) or last_line(said.stderr)}")
    print("Deleted.")


def confirm() -> None:
    """Ask before data is deleted.

    Raises:
        StackError: the answer is not yes, or nobody can answer.
    """
    if not sys.stdin.isatty():
        raise StackError(
            "Nobody to ask: add --yes (`make clean-data CLEAN_ARGS=--yes`) to delete without asking.",
            Exit.USAGE,
        )
    if input("Delete it? Type yes: ").strip().lower() != "yes":
        raise StackError("Nothing was deleted.")


def print_links(services: Iterable[str], environment: Mapping[str, str]) -> None:
    """Print where the services can be reached."""
    wanted = set(services)
    for port in PORTS:
        if port.service in wanted:
            path = "/metrics" if port.variable == "AEL_COLLECTOR_METRICS_PORT" else ""
            print(f"  {port.what:<18}http://localhost:{port_number(port, environment)}{path}")


def print_resolution(services: Iterable[str], docker: Docker, *, as_json: bool) -> None:
    """Print the image that each service would get."""
    choices = resolve(services, docker)
    if as_json:
        print(json.dumps([asdict(choice) for choice in choices], indent=2))
        return
    for choice in choices:
        print(f"{choice.service:<14}{choice.source.value if choice.present else 'absent':<10}{choice.image}")
