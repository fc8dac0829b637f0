"""The archive of a release, and the list of what is in it."""

import io
import random
import tarfile
from pathlib import Path

from stack import release


def test_the_same_files_give_the_same_archive():
    files = {f"{place}/{number}": (f"{number}".encode() * 1_000, 0o755) for place in ("bin", "docs") for number in range(20)}
    shuffled = list(files.items())
    random.Random(1).shuffle(shuffled)
    first = release.archive("paysaga-1", files, 1_700_000_000)
    assert release.archive("paysaga-1", dict(shuffled), 1_700_000_000) == first
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        entries = tar.getmembers()
        assert [entry.name for entry in entries] == sorted(f"paysaga-1/{name}" for name in files)
        assert {(entry.mtime, entry.uid, entry.uname, entry.mode) for entry in entries} == {(1_700_000_000, 0, "root", 0o755)}


def test_linked_libraries_are_packages_with_versions():
    found = release.packages(release.libraries(Path("/usr/bin/openssl").resolve()))
    names = {each["name"] for each in found}
    assert {"libc6", "libssl3"} <= names, names
    bill = release.bill("0.1.0", found, "6.3.1")
    assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["version"] == "0.1.0"
    crypto = next(each for each in bill["components"] if each["name"] == "libssl3")
    assert crypto["version"] and crypto["purl"].startswith("pkg:deb/debian/libssl3@3.")
    assert set(bill["dependencies"][0]["dependsOn"]) == {each["bom-ref"] for each in bill["components"]}


def test_alerts_dashboards_and_documents_are_handed_out():
    packed = set(release.documents())
    assert set(release.DOCUMENTS) <= packed
    for folder in release.FOLDERS:
        assert [name for name in packed if name.startswith(f"{folder}/")], folder
    dashboards = {path.relative_to(release.ROOT).as_posix() for path in release.ROOT.glob("config/grafana/dashboards/*.json")}
    assert dashboards and {"config/prometheus/alerts.yml"} | dashboards <= packed
