"""Building the programs, and the Python environment of the tests."""

import hashlib
import os
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


def release() -> None:
    if shutil.which("swift") is None:
        raise Failure("Swift was not found in PATH. Swift 6.3 or later is the one thing to install by hand:"
                      " https://www.swift.org/install/linux/")
    heading("building the programs (release; some minutes the first time)")
    # The static standard library starts in 2.6 ms instead of 10 and runs where no Swift is installed.
    os.environ["PAYSAGA_COMMIT"] = commit()
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
