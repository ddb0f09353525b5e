"""`python -m tools.release prepare|check|tag VERSION`: the steps of a release; `make release` does `check`."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tools.release.distributions import build_twice, check_contents
from tools.release.notes import ReleaseError, close_section, release_notes, with_version
from tools.release.trial import check_licences, install, interpreters, try_out

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "build" / "release"
_VERSIONED = ("pyproject.toml", "ael_otel/version.py")


def prepare(version: str) -> None:
    """Write the version and close the changelog's section; the changes are not committed."""
    changelog = ROOT / "CHANGELOG.md"
    texts = {changelog: close_section(changelog.read_text("utf-8"), version, datetime.now(UTC).date())}
    texts |= {ROOT / name: with_version((ROOT / name).read_text("utf-8"), version) for name in _VERSIONED}
    for path, text in texts.items():
        path.write_text(text, "utf-8")
        print(f"changed {path.relative_to(ROOT)}")
    print(f"Next: read the diff, commit it, then `make release VERSION={version}`.")


def check(version: str) -> None:
    """Build the release from the last commit, check it, install it and try it in every Python; write its notes."""
    with step("what is committed"):
        if _git("status", "--porcelain"):
            raise ReleaseError("the checkout has changes that are not committed; commit or stash them")
        for name in _VERSIONED:
            if with_version((text := (ROOT / name).read_text("utf-8")), version) != text:
                raise ReleaseError(f"{name} has another version; `python -m tools.release prepare {version}`")
        notes = release_notes((ROOT / "CHANGELOG.md").read_text("utf-8"), version)
    with step("wheel and sdist, twice"):
        built = build_twice(ROOT, "HEAD", TARGET)
        for path in built:
            check_contents(path)
    with step("twine check"):
        done = subprocess.run(
            [sys.executable, "-m", "uv", "tool", "run", "twine", "check", "--strict", *map(str, built)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ReleaseError(f"twine check: {(done.stdout + done.stderr).strip()[-2000:]}")
    with tempfile.TemporaryDirectory(prefix="release-") as name:
        folder = Path(name)
        (sdist,) = (path for path in built if path.suffix == ".gz")
        (wheel,) = (path for path in built if path.suffix == ".whl")
        with step("licences of what it needs"):
            found = interpreters(ROOT)
            alone = install(folder / "alone", next(iter(found.values())), wheel, extras="postgres", by="uv")
            licences = check_licences(alone)
        for version_of_python, python in found.items():
            for by, distribution in (("pip", wheel), ("uv", sdist)):
                with step(f"Python {version_of_python}, {by}, {distribution.name}"):
                    place = folder / f"{by}-{version_of_python}"
                    try_out(install(place, python, distribution, extras="engine", by=by), version)
    (TARGET / "NOTES.md").write_text(notes, "utf-8")
    listed = "".join(f"{package}: {licence}\n" for package, licence in sorted(licences.items()))
    (TARGET / "LICENCES.txt").write_text(listed, "utf-8")
    print(f"{TARGET.relative_to(ROOT)}: " + ", ".join(sorted(path.name for path in TARGET.iterdir())))


def tag(version: str) -> None:
    """Tag the commit whose release `check` has built, with the notes as the tag's message."""
    built = {path.name for path in TARGET.glob(f"ael_otel-{version}*")}
    if len(built) != 2 or not (TARGET / "NOTES.md").is_file():
        raise ReleaseError(
            f"build/release has no checked release {version}; `make release VERSION={version}`"
        )
    again = build_twice(ROOT, "HEAD", Path(tempfile.mkdtemp(prefix="release-")))
    if any((TARGET / path.name).read_bytes() != path.read_bytes() for path in again):
        raise ReleaseError("the last commit is not the one that was checked; check it again")
    _git("tag", "--annotate", f"v{version}", "--cleanup=verbatim", "--file", str(TARGET / "NOTES.md"))
    print(f"tagged v{version}")


@contextmanager
def step(name: str) -> Generator[None]:
    """Print a step and how long it took."""
    print(f"{name} ...", end=" ", flush=True)
    started = time.monotonic()
    yield
    print(f"{time.monotonic() - started:.0f} s", flush=True)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def main() -> int:
    """Run one step and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.add_argument("step", choices=("prepare", "check", "tag"))
    parser.add_argument("version", help="such as 0.2.0")
    arguments = parser.parse_args()
    try:
        {"prepare": prepare, "check": check, "tag": tag}[arguments.step](arguments.version)
    except ReleaseError as error:
        print(f"\nrelease: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
