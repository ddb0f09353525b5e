"""Builds images from source: compiled here from Go modules, put into an otherwise empty image."""

import hashlib
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ael_stack.docker import Docker, last_line
from ael_stack.errors import Exit, StackError
from ael_stack.progress import Progress
from ael_stack.services import built_image, pinned_images, version_of
from ael_stack.settings import DEPLOY

RECIPES = DEPLOY / "images"
BUILD = RECIPES / ".build"
LABEL = "org.ael.recipe"
GO_MINIMUM = (1, 26)
GO_PLACES = ("go", "/usr/local/go/bin/go")  # a distribution's older Go may come first on PATH
CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True)
class Recipe:
    """What is compiled for one image. `version_symbol` is the variable that `--version` prints."""

    service: str
    packages: tuple[str, ...]
    tags: str
    version_symbol: str = ""
    generated: bool = False
    """The sources of the Collector's main module are generated from a manifest first."""
    module: str = ""
    page: str = ""
    """A file that upstream's build creates and its module lacks; a page that explains this replaces it."""

    @property
    def folder(self) -> Path:
        """The recipe's files."""
        return RECIPES / self.service

    @property
    def context(self) -> Path:
        """What Docker builds the image from."""
        return BUILD / self.service / "context"


ALL = (
    Recipe("collector", (".",), "netgo", generated=True),
    Recipe(
        "prometheus",
        ("github.com/prometheus/prometheus/cmd/prometheus", "github.com/prometheus/prometheus/cmd/promtool"),
        # Discovery of machines in two dozen clouds is most of the code, and the stack's targets are listed by name.
        "netgo,remove_all_sd",
        "github.com/prometheus/common/version.Version",
    ),
    Recipe(
        "loki",
        ("github.com/grafana/loki/v3/cmd/loki",),
        "netgo",
        "github.com/grafana/loki/v3/pkg/util/build.Version",
    ),
    Recipe(
        "alertmanager",
        (
            "github.com/prometheus/alertmanager/cmd/alertmanager",
            "github.com/prometheus/alertmanager/cmd/amtool",
        ),
        "netgo",
        "github.com/prometheus/common/version.Version",
        module="github.com/prometheus/alertmanager",
        page="ui/app/dist/index.html",
    ),
)
NO_PAGE = (
    "<!doctype html><title>Alertmanager</title><p>Built from source: the API is here, the web page is not.\n"
)


@dataclass(frozen=True)
class Go:
    """A Go toolchain, and the platform that it builds for."""

    command: str
    version: str
    architecture: str

    def environment(self, base: Mapping[str, str], *, target: bool) -> dict[str, str]:
        """Return the environment of a Go command; `target` compiles for the container, else for this machine."""
        path = os.pathsep.join((str(Path(self.command).parent), base.get("PATH", os.defpath)))
        # Without cgo from the first build on: the binaries need no C library, and switching recompiles everything.
        environment = {**base, "PATH": path, "CGO_ENABLED": "0", "GOWORK": "off"}
        return environment | ({"GOOS": "linux", "GOARCH": self.architecture} if target else {})


def find_go(environment: Mapping[str, str], architecture: str) -> Go:
    """Find a Go toolchain that is new enough, or that may fetch one that is.

    Raises:
        StackError: there is none.
    """
    need = ".".join(map(str, GO_MINIMUM))
    found: list[str] = []
    for candidate in GO_PLACES:
        command = shutil.which(candidate, path=environment.get("PATH"))
        if command is None:
            continue
        version = go_version(command, environment)
        match = re.match(r"go(\d+)\.(\d+)", version)
        if match and (int(match[1]), int(match[2])) >= GO_MINIMUM:
            return Go(command, version, architecture)
        found.append(f"{command} says {version}")
    what = f"Building images needs Go {need} or newer"
    if not found:
        raise StackError(f"{what}, and there is no `go` on PATH or in /usr/local/go.", Exit.MISSING)
    raise StackError(f"{what}: {'; '.join(found)}. Install it, or set GOTOOLCHAIN=auto.", Exit.MISSING)


def go_version(command: str, environment: Mapping[str, str]) -> str:
    """Return the version that a toolchain would build with: a recipe's go.mod may make it fetch a newer one."""
    said = subprocess.run(
        [command, "env", "GOVERSION"],
        cwd=RECIPES / "loki",
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or last_line(said.stderr)


def fingerprint(recipe: Recipe, go: Go) -> str:
    """Return a hash of everything that decides what comes out."""
    digest = hashlib.sha256(f"{recipe}{go.version}{go.architecture}".encode())
    digest.update(pinned_images()[recipe.service].encode())
    for file in sorted(path for path in recipe.folder.iterdir() if path.is_file()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:32]


def ca_bundle() -> Path:
    """Return this machine's certificate authorities.

    Raises:
        StackError: there are none to be found.
    """
    default = ssl.get_default_verify_paths().cafile
    for candidate in (*CA_BUNDLES, *([default] if default else [])):
        if Path(candidate).is_file():
            return Path(candidate)
    raise StackError("No certificate authorities found: install the package ca-certificates.", Exit.MISSING)


def go_command(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Run a short Go command and return its output.

    Raises:
        StackError: it failed.
    """
    said = subprocess.run(
        list(arguments), cwd=folder, env=dict(environment), capture_output=True, text=True, check=False
    )
    if said.returncode != 0:
        raise StackError(f"`{' '.join(arguments)}` failed in {folder}:\n{said.stderr.strip()[-2000:]}")
    return said.stdout


def generate_collector(recipe: Recipe, go: Go, base: Mapping[str, str]) -> Path:
    """Generate the Collector's sources from its manifest; return their folder."""
    folder = BUILD / recipe.service / "source"
    manifest = str(recipe.folder / "manifest.yaml")
    arguments = ["--config", manifest, "--output-path", str(folder), "--skip-compilation"]
    command = [go.command, "tool", "go.opentelemetry.io/collector/cmd/builder", *arguments]
    go_command(command, recipe.folder, go.environment(base, target=False))
    return folder


def with_page(recipe: Recipe, go: Go, base: Mapping[str, str]) -> Path:
    """Copy the module, which cannot be changed where it is, and add the page; return the folder to build in."""
    environment = go.environment(base, target=False)
    go_command([go.command, "mod", "download", recipe.module], recipe.folder, environment)
    origin = go_command(
        [go.command, "list", "-m", "-f", "{{.Dir}}", recipe.module], recipe.folder, environment
    )
    folder = BUILD / recipe.service / "source"
    shutil.rmtree(folder, ignore_errors=True)
    # Only contents: the folders of the module cache are read-only.
    shutil.copytree(
        origin.strip(),
        folder / "module",
        copy_function=shutil.copyfile,
        ignore=shutil.ignore_patterns("*_test.go"),
    )
    for directory in [folder / "module", *(path for path in (folder / "module").rglob("*") if path.is_dir())]:
        directory.chmod(0o755)
    page = folder / "module" / recipe.page
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(NO_PAGE, encoding="utf-8")
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(recipe.folder / name, folder / name)
    go_command([go.command, "mod", "edit", f"-replace={recipe.module}=./module"], folder, environment)
    return folder


def source_folder(recipe: Recipe, go: Go, base: Mapping[str, str]) -> Path:
    """Return the folder of the main module, after making it where it is not the recipe itself."""
    if recipe.generated:
        return generate_collector(recipe, go, base)
    return with_page(recipe, go, base) if recipe.page else recipe.folder


def compile_flags(recipe: Recipe) -> list[str]:
    """Return the flags of the build: no paths of this machine in the result, no debug tables."""
    version = version_of(pinned_images()[recipe.service])
    symbol = f" -X {recipe.version_symbol}={version}" if recipe.version_symbol else ""
    return ["-trimpath", "-buildvcs=false", "-tags", recipe.tags, "-ldflags", f"-s -w{symbol}"]


def compile_binaries(
    recipe: Recipe, source: Path, go: Go, base: Mapping[str, str], progress: Progress
) -> None:
    """Compile the recipe's binaries into its build context.

    Raises:
        StackError: the compiler failed; its last lines are in the message.
    """
    environment = go.environment(base, target=True)
    packages = list(recipe.packages)
    listed = go_command([go.command, "list", "-deps", "-tags", recipe.tags, *packages], source, environment)
    total = len(listed.splitlines())
    output = recipe.context / ("otelcol-contrib" if recipe.generated else "")
    target = f"{output}/" if output.is_dir() else str(output)
    command = [go.command, "build", "-v", *compile_flags(recipe), "-o", target, *packages]
    with subprocess.Popen(
        command, cwd=source, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        lines = follow(process, recipe, total, progress)
    if process.returncode != 0:
        raise StackError(f"Compiling {recipe.service} failed:\n" + "\n".join(lines[-20:]))


def follow(process: subprocess.Popen[str], recipe: Recipe, total: int, progress: Progress) -> list[str]:
    """Show the compiler's progress; return what it printed. It names only what the build cache does not have."""
    lines: list[str] = []
    for line in process.stdout or ():
        lines.append(line.rstrip())
        text = f"{recipe.service}: {len(lines)} of at most {total} packages compiled"
        progress.show(text, quiet=len(lines) % 250 != 0)
    return lines


def prepare_context(recipe: Recipe) -> None:
    """Make the build context: everything in the image but the binaries."""
    shutil.rmtree(recipe.context, ignore_errors=True)
    data = recipe.context / "data"
    data.mkdir(parents=True)
    # An image keeps the owner of a folder only if the folder is not empty, in some builders.
    (data / ".keep").touch()
    shutil.copyfile(ca_bundle(), recipe.context / "ca-certificates.crt")
    shutil.copyfile(recipe.folder / "Dockerfile", recipe.context / "Dockerfile")


def build_image(recipe: Recipe, mark: str, docker: Docker) -> None:
    """Build the image from the context.

    Raises:
        StackError: Docker failed.
    """
    label = ["--label", f"{LABEL}={mark}"]
    said = docker.run(
        "build", "--pull=false", *label, "--tag", built_image(recipe.service), str(recipe.context)
    )
    if said.returncode != 0:
        raise StackError(f"docker build of {recipe.service} failed: {last_line(said.stderr)}")
    # The image that had this name before would stay, without one.
    docker.run("image", "prune", "--force", "--filter", f"label={LABEL}")


def build(recipe: Recipe, go: Go, docker: Docker, *, force: bool) -> str:
    """Build one image unless this machine has it; return one line that says what was done."""
    image = built_image(recipe.service)
    mark = fingerprint(recipe, go)
    if not force and docker.image_label(image, LABEL) == mark:
        return f"{image}  up to date"
    base = docker.process_environment()
    with Progress("images") as progress:
        progress.show(f"{recipe.service}: fetching modules")
        prepare_context(recipe)
        source = source_folder(recipe, go, base)
        compile_binaries(recipe, source, go, base, progress)
        progress.show(f"{recipe.service}: making the image")
        build_image(recipe, mark, docker)
        seconds = progress.seconds
    shutil.rmtree(BUILD / recipe.service, ignore_errors=True)
    return f"{image}  built in {seconds:.0f} s"


def build_all(services: Sequence[str], docker: Docker, *, force: bool = False) -> None:
    """Build the images of these services, printing one line for each."""
    said = docker.run("version", "--format", "{{.Server.Arch}}")
    go = find_go(docker.process_environment(), said.stdout.strip() or "amd64")
    for recipe in ALL:
        if recipe.service in services:
            print(build(recipe, go, docker, force=force))
