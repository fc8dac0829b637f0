"""Building the programs, and the Python environment of the tests."""

import hashlib
import os
import re
import shutil
import subprocess
import sys

from .console import Failure, heading
from .stack import ROOT

VENV = ROOT / ".local/venv"
SYSTEM_PYTHON = "/usr/bin/python3"


def run(command: list[str], what: str) -> None:
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if status != 0:
        raise Failure(f"{what} failed with exit code {status}")


def commit() -> str:
    """What is built, for `--version` and `/version`; `-changed` where files differ from the commit."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=-changed"]
    try:
        return subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        # No git, or none of its trees: a release archive.
        return "unknown"


def version(described: str) -> str:
    """The version that a description by `git describe --tags` means: `v0.2.0-5-gabc` is five commits after 0.2.0."""
    found = re.fullmatch(r"v(\d+\.\d+\.\d+(?:-[0-9A-Za-z.]+?)?)(?:-(\d+)-g[0-9a-f]+)?", described)
    if found is None:
        raise Failure(f"the tag in {described} is no version: expected one such as v0.2.0")
    return found[1] if found[2] is None else f"{found[1]}+{found[2]}"


def tagged_version() -> str | None:
    """The version by the newest tag; None without one, and the build takes the one in the sources."""
    git = ["git", "-C", str(ROOT), "describe", "--tags", "--match=v[0-9]*"]
    described = subprocess.run(git, check=False, capture_output=True, text=True) if shutil.which("git") else None
    return version(described.stdout.strip()) if described is not None and described.returncode == 0 else None


def release() -> None:
    if shutil.which("swift") is None:
        raise Failure("Swift was not found in PATH. Swift 6.3 or later is the one thing to install by hand:"
                      " https://www.swift.org/install/linux/")
    heading("building the programs (release; some minutes the first time)")
    # The static standard library starts in 2.6 ms instead of 10 and runs where no Swift is installed.
    os.environ["PAYSAGA_COMMIT"] = commit()
    if (tagged := tagged_version()) is not None:
        os.environ["PAYSAGA_VERSION"] = tagged
    run(["swift", "build", "-c", "release", "--static-swift-stdlib", "--jobs", "2"], "the release build")


def venv() -> None:
    """The virtual environment of requirements.lock, made anew only when that file or the interpreter changed. pip takes
    no package whose hash is not in it."""
    requirements = ROOT / "tests/e2e/requirements.lock"
    stamp = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest() + "\n"
    mark = VENV / "requirements.sha256"
    if mark.exists() and mark.read_text() == stamp:
        return
    heading(f"making the Python environment of the tests in {VENV}")
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.parent.mkdir(parents=True, exist_ok=True)
    run([SYSTEM_PYTHON, "-m", "venv", str(VENV)], "python3 -m venv")
    run([str(VENV / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet",
         "--require-hashes", "--requirement", str(requirements)], "pip install")
    mark.write_text(stamp)
