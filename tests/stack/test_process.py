"""Pid files name a process of ours and never a stranger."""

import os
import signal

from stack.console import Ended, wait_until
from stack.process import Process, boot_id, parse_start_time, start_time


def test_the_start_time_is_behind_the_last_parenthesis():
    fields = " ".join(str(number) for number in range(4, 53))
    assert parse_start_time(f"12 (a b) c) S {fields}") == 22
    assert parse_start_time(f"12 (x) Z {fields}") is None


def test_a_process_is_started_found_and_stopped(tmp_path):
    process = Process("sleeper", tmp_path / "run", tmp_path / "log")
    assert process.pid() is None
    process.launch(["sh", "-c", "echo begun; exec sleep 60"])
    pid = process.pid()
    assert pid is not None and os.getsid(pid) == pid, "a session of its own"
    assert wait_until(5, "it begins", process.log, lambda: process.log.read_text() == "begun\n")
    process.stop(signal.SIGTERM, 5, signal.SIGKILL)
    assert process.pid() is None and not process.pid_file.exists()


def test_what_ignores_the_polite_signal_is_killed(tmp_path):
    process = Process("stubborn", tmp_path / "run", tmp_path / "log")
    process.launch(["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"])
    assert wait_until(5, "it begins", process.log, lambda: process.log.read_text() == "deaf\n")
    process.stop(signal.SIGTERM, 0.3, signal.SIGKILL)
    assert not process.is_running()


def test_a_recycled_pid_or_another_boot_is_a_stranger(tmp_path):
    process = Process("mine", tmp_path, tmp_path)
    process.pid_file.write_text(f"{os.getpid()} {start_time(os.getpid())} {boot_id()}\n")
    assert process.pid() == os.getpid()
    process.pid_file.write_text(f"{os.getpid()} 1 {boot_id()}\n")
    assert process.pid() is None
    process.pid_file.write_text(f"{os.getpid()} {start_time(os.getpid())} another\n")
    assert process.pid() is None
    process.pid_file.write_text("half a li")
    assert process.pid() is None


def test_waiting_ends_with_the_process_or_the_limit(tmp_path, capsys):
    def ended():
        raise Ended

    log = tmp_path / "log"
    log.write_text("why\n")
    assert not wait_until(5, "it is starting", log, ended)
    assert "it is starting: the process ended" in (told := capsys.readouterr().err) and "| why" in told
    assert not wait_until(0, "it is starting", log, lambda: False)
    assert "not there after 0 s" in capsys.readouterr().err


def test_a_file_that_was_built_anew_is_noticed(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    # The programs let nobody look at /proc/PID/exe but root.
    monkeypatch.setattr(os, "readlink", refuse)
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    process = Process("mine", tmp_path / "run", tmp_path / "log")
    process.launch([str(program)])
    try:
        assert not process.runs_older_build(str(program))
        again = tmp_path / "again"
        again.write_text(program.read_text())
        again.chmod(0o755)
        again.replace(program)
        assert process.runs_older_build(str(program)) and process.is_running()
        pid_file = process.pid_file.read_text()
        # As an earlier version wrote it: not known.
        process.pid_file.write_text(" ".join(pid_file.split()[:3]) + "\n")
        assert not process.runs_older_build(str(program)) and process.is_running()
        program.unlink()
        process.pid_file.write_text(pid_file)
        assert process.runs_older_build(str(program))
    finally:
        process.stop(signal.SIGTERM, 5, signal.SIGKILL)
