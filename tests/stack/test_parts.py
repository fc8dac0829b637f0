"""The pure parts of packages, PostgreSQL, the venv and the demo."""

import http.server
import re
import threading

import pytest

from stack import cluster, demo, local, packages, postgres, programs, scene
from stack.console import Failure
from stack.stack import ROOT, Stack


def test_installed_packages_are_those_dpkg_calls_so():
    listing = "libpq-dev installed\nredis-server config-files\nlibssl-dev:amd64 installed\nkcat not-installed\n"
    assert packages.parse_installed(listing) == {"libpq-dev", "libssl-dev"}


def test_an_unknown_group_is_named():
    with pytest.raises(Failure, match="fun"):
        packages.ensure(Stack({}), ["build", "fun"])


def test_a_policy_of_the_machine_comes_back(tmp_path, monkeypatch):
    policy, cluster, saved = tmp_path / "policy-rc.d", tmp_path / "createcluster.conf", tmp_path / "saved"
    for name, path in (("POLICY", policy), ("CLUSTER_CONF", cluster), ("SAVED", saved)):
        monkeypatch.setattr(packages, name, path)
    policy.write_text("theirs")
    cluster.write_text("theirs\n")
    packages._hold_services()
    packages._forbid_cluster()
    assert "exit 101" in policy.read_text() and "create_main_cluster = false" in cluster.read_text()
    packages.recover(Stack({"STACK_DIR": str(tmp_path)}))
    assert (policy.read_text(), cluster.read_text()) == ("theirs", "theirs\n") and not saved.exists()
    packages._hold_services()
    policy.unlink()
    (saved / "policy-rc.d").unlink()
    packages.recover(Stack({"STACK_DIR": str(tmp_path)}))
    assert not policy.exists(), "there was none before"


def test_the_newest_server_is_chosen_by_number():
    assert cluster.newest_version(["9.6", "15", "13", "common"]) == "15"
    assert cluster.newest_version(["9.6", "9.10"]) == "9.10"
    assert cluster.newest_version([]) is None


def test_a_setting_of_the_caller_wins(tmp_path):
    words = cluster.command(tmp_path, 5433, {"fsync": "off", "cluster_name": "mine"})
    assert words[-words[::-1].index("-D") - 1:][:4] == ["-D", str(tmp_path), "-p", "5433"]
    assert {"fsync=off", "cluster_name=mine", "listen_addresses=127.0.0.1"} <= set(words) and "fsync=on" not in words


def test_only_data_of_ours_is_removed(tmp_path, monkeypatch):
    stack = Stack({"STACK_DIR": str(tmp_path / "stack")})
    (tmp_path / "stack").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "stack/postgres").symlink_to(tmp_path / "theirs")
    with pytest.raises(Failure, match="not ours"):
        postgres.remove(stack)
    monkeypatch.setattr(postgres, "FALLBACK", tmp_path)
    postgres.remove(stack)
    assert not (tmp_path / "theirs").exists() and not (tmp_path / "stack/postgres").is_symlink()


def test_a_command_is_shown_as_it_can_be_typed():
    assert scene.typed(["psql", "-c", "it's"], " | head") == "$ psql -c 'it'\\''s' | head"
    assert scene.typed(["paysaga", "get", "--order=1"]) == "$ paysaga get --order=1"


def test_the_order_is_a_number_above_zero():
    assert demo.order_number("111") == 111
    assert demo.order_number(None) > 1_700_000_000
    for text in ("0", "-1", "x", str(2**63)):
        with pytest.raises(Failure, match="ORDER"):
            demo.order_number(text)


def test_an_audit_begins_with_a_broker_that_forgot(tmp_path, monkeypatch):
    stack = Stack({"STACK_DIR": str(tmp_path)})
    monkeypatch.setattr(Stack, "broker_started", lambda _: 1_700_000_000.2)
    monkeypatch.setattr(postgres, "psql", lambda *_: "t")
    assert local.audit_since(stack) == "2023-11-14T22:13:21Z"
    monkeypatch.setattr(postgres, "psql", lambda *_: "f")
    assert local.audit_since(stack) is None, "nothing was published before"


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_only_200_is_ready():
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        assert programs.get_answers(port, "/readyz")
        assert not programs.get_answers(port, "/other")
        server.shutdown()
    assert not programs.get_answers(port, "/readyz")


def test_the_log_of_apt_get_is_not_made_by_root(tmp_path, monkeypatch):
    """Without root the packages come through sudo, which must not leave folders that their user cannot write to."""
    tools, folder, told = tmp_path / "tools", tmp_path / "stack", tmp_path / "told"
    tools.mkdir()
    sudo = tools / "sudo"
    sudo.write_text(f'#!/bin/sh\n{{ echo "$@"; ls "{folder}/log"; }} >"{told}"\n')
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(packages, "missing", lambda _: ["kcat"])
    packages.ensure(Stack({"STACK_DIR": str(folder)}), ["run"])
    arguments, *made = told.read_text().splitlines()
    assert made == ["apt.log"]
    assert f"STACK_DIR={folder}" in arguments and arguments.endswith("install-packages kcat")


def test_python_packages_are_pinned_with_hashes():
    wanted = re.findall(r"^([a-z-]+)(?:\[\w+\])?==(\S+)$", (ROOT / "tests/e2e/requirements.txt").read_text(), re.M)
    locked = re.findall(r"^([a-z0-9._-]+)(?:\[\w+\])?==(\S+) \\\n    --hash=sha256:", (ROOT / "tests/e2e/requirements.lock").read_text(), re.M)
    assert wanted and not set(wanted) - set(locked), "make tests/e2e/requirements.lock anew, as its first lines say"
