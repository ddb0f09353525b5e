"""`deploy/stack.py` reports a mistake in one line with place and remedy, and keeps secrets private."""

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from tests.stack.conftest import deploy_module, stack

FAKE_DOCKER = """#!/bin/sh
case "$*" in
  "version --format {{.Server.Version}}") echo 20.10.24 ;;
  "compose version --short") echo 5.2.0 ;;
  *" ps --all --format json") ;;
  "volume ls "*) ;;
  "image inspect "*) exit 1 ;;
  "pull "*) echo "Error response from daemon: no such host" >&2; exit 1 ;;
  *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""


@pytest.fixture
def fake_docker(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose `docker` behaves like one with no image and no registry."""
    program = tmp_path / "docker"
    program.write_text(FAKE_DOCKER, "utf-8")
    program.chmod(0o755)
    ports = {
        f"AEL_{name}_PORT": str(20_000 + number)
        for number, name in enumerate(
            ("GRAFANA", "PROMETHEUS", "OTLP_GRPC", "OTLP_HTTP", "COLLECTOR_METRICS")
        )
    }
    return {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", **ports}


def one_line(text: str) -> str:
    """Return the message, which must be a single line."""
    (line,) = text.strip().splitlines()
    return line


@pytest.mark.parametrize("verb", ["up", "down", "status", "images", "pull", "resolve", "clean-data"])
def test_docker_absent(no_docker_path: str, verb: str) -> None:
    """Without Docker, every verb that needs it reports so in one line and exits 3."""
    done = stack(verb, environment={"PATH": no_docker_path})
    assert done.returncode == 3
    assert "Docker is not installed" in one_line(done.stderr)


def test_the_daemon_does_not_answer(tmp_path: Path) -> None:
    """A client without its daemon is distinguished from a missing client, with the way to start the daemon."""
    (tmp_path / "docker").write_text(
        "#!/bin/sh\necho 'Cannot connect to the Docker daemon.' >&2; exit 1\n", "utf-8"
    )
    (tmp_path / "docker").chmod(0o755)
    done = stack("up", environment={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    assert done.returncode == 3
    assert "daemon does not answer" in one_line(done.stderr)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("exit 1", "no Compose plugin"),
        ("echo 1.29.2", "Compose 1.29.2 is too old"),
        ("echo v2.23.3-desktop.2", "Compose 2.23.3-desktop.2 is too old"),
    ],
)
def test_compose_absent_or_old(tmp_path: Path, answer: str, said: str) -> None:
    """Docker without a Compose that can read compose.yaml gives one line with what is missing and what is needed."""
    (tmp_path / "docker").write_text(
        f'#!/bin/sh\n[ "$1" = compose ] && {{ {answer}; exit; }}\necho 20\n', "utf-8"
    )
    (tmp_path / "docker").chmod(0o755)
    done = stack("up", environment={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    assert done.returncode == 3
    assert said in one_line(done.stderr)
    assert "Compose 2.24 or newer" in one_line(done.stderr)


@pytest.mark.parametrize("version", ["2.24.0", "v2.24.5+ds1", "2.100.0", "5.2.0", "dev"])
def test_compose_new_enough(version: str) -> None:
    """Numbers are compared as numbers, and a build without a version number is accepted."""
    assert not deploy_module("docker").compose_is_old(version)


def test_a_port_in_use(fake_docker: dict[str, str]) -> None:
    """The line contains the port, the program that uses it, and the variable to set."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        done = stack("up", "prometheus", environment={**fake_docker, "AEL_PROMETHEUS_PORT": str(number)})
    assert done.returncode == 3
    line = one_line(done.stderr)
    assert f"Port {number} (Prometheus) is in use" in line
    assert "AEL_PROMETHEUS_PORT" in line
    if Path("/proc").is_dir():
        assert f"(pid {os.getpid()})" in line


def test_a_port_set_twice(fake_docker: dict[str, str]) -> None:
    """Two services on one port are detected before anything is started."""
    same = {"AEL_OTLP_GRPC_PORT": "20010", "AEL_OTLP_HTTP_PORT": "20010"}
    done = stack("up", "collector", environment={**fake_docker, **same})
    assert done.returncode == 3
    assert "AEL_OTLP_GRPC_PORT and AEL_OTLP_HTTP_PORT" in one_line(done.stderr)


@pytest.mark.parametrize("value", ["abc", "0", "70000", "-1"])
def test_a_port_that_is_none(fake_docker: dict[str, str], value: str) -> None:
    """A value that is not a port is reported with its variable, exit 2."""
    done = stack("up", environment={**fake_docker, "AEL_GRAFANA_PORT": value})
    assert done.returncode == 2
    assert f"AEL_GRAFANA_PORT={value!r}" in one_line(done.stderr)


def test_images_that_cannot_be_had(fake_docker: dict[str, str]) -> None:
    """One line for each image: its name, the reason, and the remedies, `make images` only if that helps."""
    done = stack("up", "collector", "tempo", environment=fake_docker)
    assert done.returncode == 3
    collector, tempo = (line for line in done.stderr.splitlines() if "cannot be pulled" in line)
    assert "otel/opentelemetry-collector-contrib:" in collector
    assert "`make images`" in collector
    assert "AEL_COLLECTOR_IMAGE" in collector
    assert "grafana/tempo:" in tempo
    assert "make images" not in tempo
    assert "AEL_TEMPO_IMAGE" in tempo


def test_pull_names_each_image_that_cannot_be_had(fake_docker: dict[str, str]) -> None:
    """It continues after a failure, prints one line for each image and exits 3; `make e2e` then runs with the rest."""
    done = stack("pull", "loki", "tempo", environment=fake_docker)
    assert done.returncode == 3
    loki, tempo = (line for line in done.stderr.splitlines() if "cannot be pulled" in line)
    assert loki.startswith("loki: grafana/loki:")
    assert tempo.startswith("tempo: grafana/tempo:")


def test_pull_leaves_present_images_alone(fake_docker: dict[str, str], tmp_path: Path) -> None:
    """An image on this machine is not requested from a registry."""
    program = tmp_path / "docker"
    program.write_text(FAKE_DOCKER.replace('"image inspect "*) exit 1', '"image inspect "*) exit 0'), "utf-8")
    done = stack("pull", environment=fake_docker)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_override_that_cannot_be_had(fake_docker: dict[str, str]) -> None:
    """For an image that the user named, the message names the variable."""
    done = stack("up", "tempo", environment={**fake_docker, "AEL_TEMPO_IMAGE": "example/tempo:1"})
    assert done.returncode == 3
    assert "AEL_TEMPO_IMAGE names it" in done.stderr


def test_a_listing_that_fails_is_asked_for_again(tmp_path: Path) -> None:
    """The daemon fails a listing while any container is removed, even one of another project: `up` continues."""
    program = tmp_path / "docker"
    program.write_text(
        "#!/bin/sh\n"
        f'[ -e "{tmp_path}/asked" ] && exit 0\n'
        f'touch "{tmp_path}/asked"\n'
        'echo "Error response from daemon: No such container: 0b5e" >&2; exit 1\n',
        "utf-8",
    )
    program.chmod(0o755)
    docker = deploy_module("docker").Docker({"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    # The command is looked up on this process's PATH.
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", docker.environment["PATH"])
        assert docker.containers() == {}


def test_an_unknown_service() -> None:
    """The message for an unknown service lists the existing ones, exit 2."""
    done = stack("up", "zipkin")
    assert done.returncode == 2
    assert "collector, prometheus, loki" in one_line(done.stderr)


def test_links_need_no_docker(no_docker_path: str) -> None:
    """The links contain the ports that are set."""
    done = stack("links", environment={"PATH": no_docker_path, "AEL_GRAFANA_PORT": "3999"})
    assert done.returncode == 0
    assert "http://localhost:3999" in done.stdout


def test_help_explains_every_verb() -> None:
    """`--help` lists the verbs and the exit codes."""
    done = stack("--help")
    assert done.returncode == 0
    assert all(
        verb in done.stdout
        for verb in ("up", "down", "status", "clean-data", "images", "pull", "links", "Exit codes")
    )


def test_a_broken_env_file(tmp_path: Path) -> None:
    """A line of .env that is neither a setting nor a comment is reported with file and number."""
    settings, errors = deploy_module("settings"), deploy_module("errors")
    (tmp_path / ".env").write_text("# ports\nAEL_GRAFANA_PORT 3001\n", "utf-8")
    with pytest.raises(errors.StackError, match=r"\.env:2: expected NAME=value") as caught:
        settings.load_environment({}, tmp_path)
    assert caught.value.code == 2


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """As in Compose itself; quotes and `export` are supported."""
    settings = deploy_module("settings")
    (tmp_path / ".env").write_text('export AEL_GRAFANA_PORT="3001"\nAEL_LOKI_IMAGE=a/b:1\n', "utf-8")
    assert settings.load_environment({"AEL_LOKI_IMAGE": "c/d:2"}, tmp_path) == {
        "AEL_GRAFANA_PORT": "3001",
        "AEL_LOKI_IMAGE": "c/d:2",
    }


def test_the_password_is_private(tmp_path: Path) -> None:
    """It is generated once, long, readable by its owner only, and returned for printing only when it is new."""
    secret = deploy_module("secret")
    file = tmp_path / "secrets" / "grafana.env"
    old = os.umask(0)
    try:
        password = secret.ensure(file)
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert len(password) >= 24
    assert "$" not in password
    assert secret.ensure(file) is None
    assert file.read_text("utf-8") == f"GF_SECURITY_ADMIN_PASSWORD={password}\n"


def test_the_password_is_printed_once_even_if_the_start_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is printed when it is generated: otherwise it would never be shown if the first start fails."""
    docker, lifecycle, secret = (deploy_module(name) for name in ("docker", "lifecycle", "secret"))
    errors, services = deploy_module("errors"), deploy_module("services")
    file = tmp_path / ".secrets" / "grafana.env"

    def fails(*_arguments: object, **_keywords: object) -> None:
        raise errors.StackError("Not ready")

    choice = services.Choice("grafana", "example/grafana:1", services.Source.PINNED, present=True)
    monkeypatch.setattr(docker.Docker, "containers", lambda _self: {})
    monkeypatch.setattr(docker.Docker, "volumes", lambda _self: [])
    monkeypatch.setattr(lifecycle.ports, "require_free", lambda *_: None)
    monkeypatch.setattr(lifecycle, "resolve", lambda *_: [choice])
    monkeypatch.setattr(lifecycle, "start", fails)
    ensure = secret.ensure
    monkeypatch.setattr(secret, "ensure", lambda: ensure(file))
    for _ in range(2):
        with pytest.raises(errors.StackError, match="Not ready"):
            lifecycle.up(["grafana"], docker.Docker({}), available=False, seconds=1)
    password = file.read_text("utf-8").strip().partition("=")[2]
    assert capsys.readouterr().out.count(password) == 1


def test_two_passwords_differ(tmp_path: Path) -> None:
    """The password is random, not built in."""
    secret = deploy_module("secret")
    assert secret.ensure(tmp_path / "a.env") != secret.ensure(tmp_path / "b.env")


def test_secrets_of_alertmanager_have_a_folder_of_ours(tmp_path: Path) -> None:
    """Alertmanager's user can read the folder, and no other user of this machine can reach it."""
    folder = tmp_path / ".secrets" / "alertmanager"
    for _ in range(2):
        deploy_module("secret").ensure_folder(folder)
        assert folder.stat().st_mode & 0o777 == 0o755
        assert folder.parent.stat().st_mode & 0o777 == 0o700


def test_a_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """A file with a wider mode is not used, and the message contains the command that corrects it."""
    secret, errors = deploy_module("secret"), deploy_module("errors")
    file = tmp_path / "grafana.env"
    secret.ensure(file)
    file.chmod(0o644)
    with pytest.raises(errors.StackError, match=r"chmod 600"):
        secret.ensure(file)


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    """Otherwise Grafana would use its default password."""
    secret, errors = deploy_module("secret"), deploy_module("errors")
    file = tmp_path / "grafana.env"
    file.write_text("GF_SECURITY_ADMIN_PASSWORD=\n", "utf-8")
    file.chmod(0o600)
    with pytest.raises(errors.StackError, match="sets no GF_SECURITY_ADMIN_PASSWORD"):
        secret.ensure(file)


def test_a_change_of_configuration_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose does not read mounted files, so the hash that it is passed changes with them, and only then."""
    services = deploy_module("services")
    (tmp_path / "loki").mkdir()
    (tmp_path / "loki" / "loki.yaml").write_text("a: 1\n", "utf-8")
    monkeypatch.setattr(services, "ROOT", tmp_path)
    before = services.configuration_settings()
    assert services.configuration_settings() == before
    (tmp_path / "loki" / "loki.yaml").write_text("a: 2\n", "utf-8")
    after = services.configuration_settings()
    assert {name for name in before if before[name] != after[name]} == {"AEL_LOKI_CONFIG"}


def test_versions_are_read_from_references() -> None:
    """A leading v and a digest are not part of the version."""
    services = deploy_module("services")
    assert services.version_of("prom/prometheus:v3.14.0@sha256:00") == "3.14.0"
    assert services.version_of("host:5000/grafana/loki:3.7.6") == "3.7.6"


def test_go_absent_or_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Go that is new enough, building images reports the installed and the required version."""
    images, errors = deploy_module("images"), deploy_module("errors")
    monkeypatch.setattr(images, "GO_PLACES", ("go",))
    with pytest.raises(errors.StackError, match=r"no `go` on PATH"):
        images.find_go({"PATH": str(tmp_path)}, "amd64")
    (tmp_path / "go").write_text("#!/bin/sh\necho go1.19.8\n", "utf-8")
    (tmp_path / "go").chmod(0o755)
    with pytest.raises(errors.StackError, match=r"needs Go 1\.26 or newer: .*go says go1\.19\.8"):
        images.find_go({"PATH": str(tmp_path)}, "amd64")


def test_a_recipe_decides_whether_to_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An image is up to date exactly as long as recipe, toolchain and target are unchanged."""
    images = deploy_module("images")
    go = images.Go("go", "go1.26.8", "amd64")
    recipe = images.ALL[0]
    monkeypatch.setattr(images, "RECIPES", tmp_path)
    recipe.folder.mkdir(parents=True)
    (recipe.folder / "go.mod").write_text("module a\n", "utf-8")
    before = images.fingerprint(recipe, go)
    assert images.fingerprint(recipe, go) == before
    assert images.fingerprint(recipe, images.Go("go", "go1.26.9", "amd64")) != before
    assert images.fingerprint(recipe, images.Go("go", "go1.26.8", "arm64")) != before
    (recipe.folder / "go.mod").write_text("module b\n", "utf-8")
    assert images.fingerprint(recipe, go) != before


def test_a_port_that_was_just_closed_counts_as_free() -> None:
    """Connections in TIME_WAIT do not keep the stack from starting."""
    ports = deploy_module("ports")
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=lambda: accepted.append(server.accept()[0]))
        thread.start()
        client = socket.create_connection(("127.0.0.1", number))
        thread.join()
        assert not ports.is_free(number)
        accepted[0].close()
        client.close()
    assert ports.is_free(number)


def test_progress_is_quiet_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal, only changes are printed, and no control characters."""
    progress = deploy_module("progress")
    with progress.Progress("up") as shown:
        shown.show("a")
        shown.show("a")
        shown.show("b", quiet=True)
        shown.show("c")
    assert capsys.readouterr().err == "up: a\nup: c\n"
