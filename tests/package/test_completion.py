"""What shells and man make of the scripts that paysaga prints."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAYSAGA = ROOT / ".build/release/paysaga"

BASH = r"""
source <("$1" completion bash); shift
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_paysaga
printf '%s\n' "${COMPREPLY[@]}"
"""


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True, timeout=60).stdout


def bash(*words):
    return run("bash", "-c", BASH, "_", PAYSAGA, *words).split()


def commands():
    """The names of all commands, as --help lists them."""
    return re.findall(r"^  ([a-z]+(?: [a-z-]+)*)  +\S", run(PAYSAGA, "--help").split("\n\n")[2] + "\n", re.M)


def test_bash_completes_every_command_and_its_options():
    names = commands()
    assert "outbox list" in names and "completion" in names
    assert sorted(bash("paysaga", "")) == sorted({name.split()[0] for name in names})
    for name in names:
        options = re.findall(r"^  (--[a-z-]+)", run(PAYSAGA, *name.split(), "--help"), re.M)
        group = [each for each in names if each.split()[0] == name]
        if len(group) == 1:
            assert sorted(bash("paysaga", *name.split(), "--")) == sorted(options), name


def test_bash_completes_a_group_also_behind_an_option():
    assert "requeue" in bash("paysaga", "outbox", "re") and "list" not in bash("paysaga", "outbox", "re")
    assert bash("paysaga", "outbox", "list", "--limit", "5", "--sta") == ["--status"]


def test_bash_completes_files_behind_an_option_with_a_value(tmp_path):
    (tmp_path / "production.env").touch()
    assert bash("paysaga", "list", "--config", f"{tmp_path}/prod") == [f"{tmp_path}/production.env"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
def test_zsh_takes_its_script(tmp_path):
    script = tmp_path / "_paysaga"
    script.write_text(run(PAYSAGA, "completion", "zsh"))
    run("zsh", "-n", script)


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_fish_completes_commands_and_options(tmp_path):
    script = tmp_path / "paysaga.fish"
    script.write_text(run(PAYSAGA, "completion", "fish"))
    found = run("fish", "-c", f"source {script}; complete -C 'paysaga outbox '")
    assert {line.split("\t")[0] for line in found.splitlines()} >= {"list", "requeue", "pause"}
    assert "--status" in run("fish", "-c", f"source {script}; complete -C 'paysaga outbox list --'")


def test_the_manual_has_every_command():
    page = run(PAYSAGA, "manual").replace("\\-", "-")
    assert all(f".SS paysaga {name}" in page for name in commands())
    # A line that begins with a dot is a request; there are no others than these.
    assert set(re.findall(r"^\.(\w+)", page, re.M)) <= {"TH", "SH", "SS", "B", "TP", "PP", "RS", "RE", "nf", "fi"}
