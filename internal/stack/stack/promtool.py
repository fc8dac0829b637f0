"""promtool, of Debian's package prometheus, which is unpacked and not installed: no service comes with it."""

import shutil
import subprocess
from pathlib import Path

from .console import Failure
from .stack import ROOT

PLACE = ROOT / ".local/promtool"


def promtool() -> Path:
    """The program: the machine's own, or the one unpacked in .local, which is downloaded once."""
    if installed := shutil.which("promtool"):
        return Path(installed)
    if not (PLACE / "promtool").exists():
        _unpack()
    return PLACE / "promtool"


def _unpack() -> None:
    # Another run may be at it: each has a folder of its own, and the last step is one rename.
    PLACE.mkdir(parents=True, exist_ok=True)
    folder = Path(subprocess.run(["mktemp", "-d", "-p", PLACE], check=True, capture_output=True, text=True).stdout.strip())
    try:
        download = ["apt-get", "-q", "-o", "Acquire::Retries=3", "-o", "APT::Sandbox::User=root", "download", "prometheus"]
        done = subprocess.run(download, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            # The lists of a fresh machine are empty.
            subprocess.run(["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "update"], capture_output=True, timeout=300,
                           check=False)
            done = subprocess.run(download, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise Failure(f"apt-get download prometheus failed: {done.stderr.strip()}")
        package = next(folder.glob("prometheus_*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, folder / "tree"], check=True, timeout=300)
        (folder / "tree/usr/bin/promtool").rename(PLACE / "promtool")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
