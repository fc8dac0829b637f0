"""What deploy/ holds: units that systemd takes, manifests that Kubernetes takes, settings that there are."""

import re
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml

from stack import roles, table
from stack.stack import ROOT

DEPLOY = ROOT / "deploy"
UNITS = [("paysaga@.service", "paysaga@server.service"), ("paysaga-migrate.service", "paysaga-migrate.service")]
PROGRAMS = ["server", "consumer", "cron", "gateway", "processor"]
MANIFESTS = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
SETTINGS = set(re.findall(r"^\| `([A-Z][A-Z0-9_]*)`", (ROOT / "docs/settings.md").read_text(), re.M))


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def deployments():
    found = [each for path in MANIFESTS for each in documents(path) if each["kind"] == "Deployment"]
    return {each["metadata"]["name"]: each for each in found}


def names(path):
    return re.findall(r"^([A-Z][A-Z0-9_]*)=", path.read_text(), re.M)


def is_setting(name):
    """A row of docs/settings.md, or a property of librdkafka."""
    return name in SETTINGS or name.startswith("KAFKA_")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
@pytest.mark.parametrize("source, unit", UNITS, ids=[unit for _, unit in UNITS])
def test_systemd_takes_the_units_and_calls_them_safe(tmp_path, source, unit):
    folder = tmp_path / "usr/lib/systemd/system"
    folder.mkdir(parents=True)
    (folder / "sysinit.target").write_text("[Unit]\nDescription=early\n")
    for program in ["usr/bin/payments-server", "usr/bin/paysaga", "bin/kill"]:
        path = tmp_path / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    shutil.copy(DEPLOY / "systemd" / source, folder / unit)
    analyse = ["systemd-analyze", f"--root={tmp_path}"]
    checked = subprocess.run(
        [*analyse, "--man=no", "verify", unit], capture_output=True, text=True, timeout=60)
    # The folder has no targets of a whole system; everything else is a fault of ours.
    faults = [line for line in checked.stderr.splitlines() if "not found" not in line]
    assert faults == []
    rated = subprocess.run(
        [*analyse, "security", "--offline=true", "--threshold=30", unit], capture_output=True,
        text=True, timeout=60)
    assert rated.returncode == 0, rated.stdout[-400:] + rated.stderr


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_takes_the_manifests(path):
    for document in documents(path):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_the_kustomization_has_every_manifest():
    [kustomization] = documents(DEPLOY / "kubernetes/kustomization.yaml")
    assert sorted(kustomization["resources"]) == [path.name for path in MANIFESTS]


def test_every_program_is_deployed():
    assert sorted(deployments()) == sorted(f"payments-{program}" for program in PROGRAMS)
    for name, deployment in deployments().items():
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        assert container["args"] == [name]
        policy = container["securityContext"]
        assert policy["readOnlyRootFilesystem"] and policy["capabilities"] == {"drop": ["ALL"]}
        assert container["readinessProbe"]["httpGet"]["port"] == container["livenessProbe"]["httpGet"]["port"] == "admin"


def test_each_program_has_a_secret_of_its_own():
    table = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", (ROOT / "docs/deployment.md").read_text(), re.M))
    known = sections()
    for name, deployment in deployments().items():
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        assert [each["secretRef"]["name"] for each in container["envFrom"] if "secretRef" in each] == [name]
        used = {each for each in re.findall(r"`([A-Z_]+)`", table[name]) if not each.startswith("KAFKA_")}
        assert used <= known[name.removeprefix("payments-")], "it gets what it uses, and no more"


def sections():
    """The settings of each program, by the parts of docs/settings.md."""
    found = {program: set() for program in PROGRAMS}
    saga, *others = re.split(r"^## ", (ROOT / "docs/settings.md").read_text(), flags=re.M)
    parts = [(["server", "consumer", "cron"], saga)]
    parts += [(["gateway"] if "gateway" in part.splitlines()[0] else ["processor"], part)
              for part in others if "bank stub" not in part.splitlines()[0]]
    for programs, part in parts:
        for name, users in re.findall(r"^\| `([A-Z][A-Z0-9_]*)` \|[^|]*\|[^|]*\| ([^|]*) \|", part, re.M):
            for program in programs:
                if users == "all" or program in users.split(", "):
                    found[program].add(name)
    return found


# Whoever writes to its root file system.
WRITES_ITS_ROOT = {"kafka"}


def test_containers_are_confined():
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"] and "no-new-privileges:true" in service["security_opt"], name
        assert service.get("read_only", False) == (name not in WRITES_ITS_ROOT), name
        assert re.fullmatch(r"paysaga:dev|[a-z/-]+:v?\d+\.\d+\.\d+(-bookworm)?|postgres:\d+\.\d+-bookworm", service["image"]), \
            f"{name}: no exact tag"
    grafana = services["grafana"]["environment"]
    assert grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert grafana["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"


def test_containers_have_the_roles_of_the_local_stack():
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for program in table.PROGRAMS:
        if program.name not in services:
            continue
        environment = services[program.name]["environment"]
        found = {name: re.match(r"postgres://(\w+):\$\{(\w+):", value).groups()
                 for name, value in environment.items() if "postgres://" in str(value)}
        assert found == {name: (role, f"{role.upper()}_PASSWORD") for name, role in program.roles.items()}, program.name
    for name in ["migrate", "paysaga"]:
        assert {setting: re.match(r"postgres://(\w+):", services[name]["environment"][setting]).group(1)
                for setting in roles.OWNERS} == roles.OWNERS
    assert "payments:payments" not in (ROOT / "docker-compose.yml").read_text() + (ROOT / "config/docker.env").read_text()


def test_probes_ask_the_port_where_the_program_listens():
    for deployment in deployments().values():
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        listening = {each["name"]: int(each["value"].rsplit(":", 1)[1])
                     for each in container["env"] if each["name"].endswith("_ADDR")}
        assert sorted(ports.values()) == sorted(listening.values())
        assert ports["admin"] == listening["ADMIN_ADDR"]


def test_settings_that_are_set_are_settings():
    for path in [DEPLOY / "kubernetes/paysaga.env", ROOT / "config/production.example.env"]:
        assert [name for name in names(path) if not is_setting(name)] == []
    for deployment in deployments().values():
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        assert [each["name"] for each in container["env"] if not is_setting(each["name"])] == []


def test_the_package_needs_what_the_image_has():
    """Both run the same binaries."""
    image = (ROOT / "Dockerfile").read_text().split("FROM debian")[1]
    [installed] = re.findall(r"no-install-recommends \\\n\s+(.*?) \\\n", image)
    [needed] = re.findall(r"^Depends: (.*)$", (DEPLOY / "debian/control.in").read_text(), re.M)
    packages = {re.sub(r" \(.*", "", each) for each in needed.split(", ")}
    assert packages == set(installed.split()) | {"adduser", "libc6"}


def test_the_package_has_the_programs_and_nothing_that_imitates():
    [packed] = re.findall(r"^PROGRAMS=\((.*)\)$", (DEPLOY / "debian/build.sh").read_text(), re.M)
    assert sorted(packed.split()) == sorted(["paysaga"] + [f"payments-{program}" for program in PROGRAMS])
    production = re.split(r"^FROM \S+ AS production$", (ROOT / "Dockerfile").read_text(), flags=re.M)[1]
    assert "bankstub" not in production and "devkafka" not in production
