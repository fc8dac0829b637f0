"""What is handed out: an archive of the release build, and the list of what it consists of (a CycloneDX SBOM).

The same build of the same commit gives the same bytes: names are sorted, times are the commit's, owners are root.
"""

import gzip
import io
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path
from urllib.parse import quote

from .console import Failure, detail
from .stack import ROOT, Stack

PROGRAMS = (
    "payments-server", "payments-consumer", "payments-cron", "payments-gateway", "payments-processor", "paysaga")
OUT = ROOT / ".build/dist"
# Beside the programs.
DOCUMENTS = (
    "README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md", "config/production.example.env", "config/prometheus/alerts.yml")
FOLDERS = ("docs", "config/grafana/dashboards", "deploy/systemd", "deploy/kubernetes", "migrations")


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def libraries(program: Path) -> set[Path]:
    """The shared libraries that a program loads, of its own and by others."""
    return {Path(found) for found in re.findall(r"(?:=> )?(/\S+) \(0x", _output("ldd", str(program)))}


def packages(files: set[Path]) -> list[dict[str, str]]:
    """The Debian packages that the files are of, sorted."""
    found: dict[str, dict[str, str]] = {}
    for file in files:
        # dpkg knows a library by the name it was packed under, with or without /usr.
        real = file.resolve()
        names = {str(file), str(real), str(real).removeprefix("/usr")}
        owner = next((line.split(": ")[0] for name in sorted(names) if (line := _owner(name))), None)
        if owner is None:
            raise Failure(f"no package has {file}: a program that is handed out must be linked with Debian's libraries")
        fields = _output("dpkg-query", "-W", "-f", "${Package}\t${Version}\t${Architecture}\t${source:Package}", owner)
        name, version, architecture, source = fields.split("\t")
        found[name] = {"name": name, "version": version, "architecture": architecture, "source": source}
    return [found[name] for name in sorted(found)]


def _owner(name: str) -> str | None:
    done = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.returncode == 0 else None


def bill(version: str, found: list[dict[str, str]], swift: str) -> dict:
    """CycloneDX 1.5: the programs, and the libraries that they are linked with."""
    components = [
        {"type": "library", "bom-ref": f"deb:{each['name']}", "name": each["name"], "version": each["version"],
         "purl": f"pkg:deb/debian/{quote(each['name'])}@{quote(each['version'], safe='')}?arch={each['architecture']}&distro=debian-12",
         "properties": [{"name": "debian:source", "value": each["source"]}]}
        for each in found
    ]
    # Linked statically.
    components.append({"type": "framework", "bom-ref": "swift", "name": "swift", "version": swift,
                       "purl": f"pkg:github/swiftlang/swift@swift-{swift}-RELEASE"})
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": {
            "type": "application", "bom-ref": "paysaga", "name": "paysaga", "version": version,
            "licenses": [{"license": {"id": "Apache-2.0"}}]}},
        "components": components,
        "dependencies": [{"ref": "paysaga", "dependsOn": [each["bom-ref"] for each in components]}],
    }


def archive(folder: str, files: dict[str, tuple[bytes, int]], time: int) -> bytes:
    """A tar.gz of files with their modes, below a folder."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0, filename="") as zipped:
        with tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in sorted(files):
                content, mode = files[name]
                entry = tarfile.TarInfo(f"{folder}/{name}")
                entry.size, entry.mode, entry.mtime = len(content), mode, time
                entry.uname = entry.gname = "root"
                tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _require_built(stack: Stack) -> None:
    for program in PROGRAMS:
        if not os.access(stack.bin / program, os.X_OK):
            raise Failure(f"{stack.bin / program} is not built: run 'make release' first")


def _version(stack: Stack) -> str:
    return _output(str(stack.bin / "paysaga"), "--version").split()[1]


def _bill(stack: Stack) -> bytes:
    swift = re.search(r"Swift version (\S+)", _output("swift", "--version"))
    found = packages(set().union(*(libraries(stack.bin / program) for program in PROGRAMS)))
    text = json.dumps(bill(_version(stack), found, swift[1] if swift else "unknown"), indent=2)
    return f"{text}\n".encode()


def sbom(stack: Stack) -> None:
    """Writes the list of what the release build consists of."""
    _require_built(stack)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "sbom.cdx.json").write_bytes(_bill(stack))
    detail(f"{OUT / 'sbom.cdx.json'}")


def documents() -> list[str]:
    """What is packed beside the programs: names of committed files."""
    return _output("git", "ls-files", *DOCUMENTS, *FOLDERS).splitlines()


def dist(stack: Stack) -> None:
    """Writes the archive of the release build, with the list in it, and its SHA-256 beside it."""
    _require_built(stack)
    OUT.mkdir(parents=True, exist_ok=True)
    time = int(os.environ.get("SOURCE_DATE_EPOCH") or _output("git", "log", "-1", "--format=%ct"))
    files = {"sbom.cdx.json": (_bill(stack), 0o644)}
    for program in PROGRAMS:
        stripped = OUT / f"{program}.stripped"
        _output("strip", "-o", str(stripped), str(stack.bin / program))
        files[f"bin/{program}"] = (stripped.read_bytes(), 0o755)
        stripped.unlink()
    for name in documents():
        files[name] = ((ROOT / name).read_bytes(), 0o644)
    folder = f"paysaga-{_version(stack)}-{_output('dpkg', '--print-architecture').strip()}"
    target = OUT / f"{folder}.tar.gz"
    target.write_bytes(archive(folder, files, time))
    sums = _output("sha256sum", str(target)).split()[0]
    (OUT / f"{folder}.tar.gz.sha256").write_text(f"{sums}  {target.name}\n")
    detail(f"{target} ({sums})")
