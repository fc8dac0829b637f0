"""The Debian package of the release build, unpacked: what is in it, for whom, and that it runs."""

import gzip
import re
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ["payments-server", "payments-consumer", "payments-cron", "payments-gateway", "payments-processor", "paysaga"]


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return Path(run("bash", ROOT / "deploy/debian/build.sh", tmp_path_factory.mktemp("deb")).strip())


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    run("dpkg-deb", "--extract", package, folder)
    return folder


def test_the_name_tells_the_version(package, unpacked):
    version = run(unpacked / "usr/bin/paysaga", "--version").split()[1]
    assert package.name == f"paysaga_{version}_{run('dpkg', '--print-architecture').strip()}.deb"
    assert run("dpkg-deb", "--field", package, "Version").strip() == version


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_packed_program_runs(unpacked, program):
    assert run(unpacked / "usr/bin" / program, "--help").strip()


def test_there_is_no_other_program(unpacked):
    assert sorted(path.name for path in (unpacked / "usr/bin").iterdir()) == sorted(PROGRAMS)


def test_the_package_names_the_libraries_that_the_programs_load(package, unpacked):
    """What ldd finds belongs to packages that the package depends on, or to libraries of those."""
    loaded = {}
    for program in PROGRAMS:
        binary = unpacked / "usr/bin" / program
        direct = set(re.findall(r"NEEDED\s+(\S+)", run("objdump", "-p", binary)))
        loaded |= {name: path for name, path in re.findall(r"(\S+) => (/\S+)", run("ldd", binary)) if name in direct}
    # GCC's runtime belongs to every system.
    owners = {owner(Path(path).resolve()) for path in loaded.values()} - {"libgcc-s1"}
    needed = {each.split()[0] for each in run("dpkg-deb", "--field", package, "Depends").strip().split(", ")}
    assert owners - needed == set()


def owner(path):
    """The package of a library, which dpkg knows under /lib or under /usr/lib."""
    paths = [path, path.relative_to("/usr") if path.is_relative_to("/usr") else path]
    for known in (paths[0], Path("/") / paths[1]):
        found = subprocess.run(["dpkg", "-S", str(known)], capture_output=True, text=True, timeout=60)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    raise AssertionError(f"{path} belongs to no package")


def test_settings_are_a_conffile_for_root_and_the_programs_only(package, unpacked):
    assert "/etc/paysaga/paysaga.env" in run("dpkg-deb", "--info", package, "conffiles")
    settings = unpacked / "etc/paysaga/paysaga.env"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o640
    assert stat.S_IMODE(settings.parent.stat().st_mode) == 0o750


def test_the_unit_starts_what_is_packed(unpacked):
    [template] = re.findall(r"^ExecStart=(\S+)", (unpacked / "usr/lib/systemd/system/paysaga@.service").read_text(), re.M)
    packed = [program.removeprefix("payments-") for program in PROGRAMS if program != "paysaga"]
    assert all((unpacked / template.replace("%i", instance).lstrip("/")).is_file() for instance in packed)


def test_there_are_manual_pages_and_completions(unpacked):
    share = unpacked / "usr/share"
    pages = {path.name: gzip.decompress(path.read_bytes()).decode() for path in share.glob("man/man*/*.gz")}
    assert sorted(pages) == sorted(f"{program}.{1 if program == 'paysaga' else 8}.gz" for program in PROGRAMS)
    for name, page in pages.items():
        assert page.startswith(".TH ") and "\nusage" in page or name == "paysaga.1.gz", page[:200]
    completions = ["bash-completion/completions/paysaga", "zsh/vendor-completions/_paysaga",
                   "fish/vendor_completions.d/paysaga.fish"]
    assert all("paysaga" in (share / path).read_text() for path in completions)


def test_there_are_alerts_and_dashboards(unpacked):
    config, packed = ROOT / "config", unpacked / "usr/share/paysaga"
    names = ["prometheus/alerts.yml", *(f"grafana/dashboards/{path.name}" for path in config.glob("grafana/dashboards/*.json"))]
    assert len(names) > 1
    for name in names:
        assert (packed / name).read_bytes() == (config / name).read_bytes()


def test_nothing_belongs_to_whoever_built_it(package):
    lines = run("dpkg-deb", "--contents", package).splitlines()
    assert {line.split()[1] for line in lines} == {"root/root"}
    assert not [line for line in lines if str(ROOT) in line]
