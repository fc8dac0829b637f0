"""Who holds a port, and how conflicts are told."""

import os
import socket

import pytest

from stack import ports
from stack.console import Failure
from stack.ports import Listener, Wanted

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:D431 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F91 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1
   2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4713 1 0 100 0 0 10 0
"""


def test_only_listening_sockets_count():
    assert ports.parse_listeners(TABLE) == {54321: Listener(107, 4711), 8080: Listener(1000, 4713)}


def test_a_listener_of_ours_is_found_with_its_process():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ports.is_taken(port)
        assert f"process {os.getpid()} (" in ports.holder(ports.listeners()[port])
    assert not ports.is_taken(port)


def test_all_conflicts_are_told_together():
    wanted = [Wanted(54321, "PostgreSQL", "A"), Wanted(9095, "Kafka", "B"), Wanted(8080, "gRPC", "C"),
              Wanted(9095, "admin", "D")]
    problems = ports.conflicts(wanted, ports.parse_listeners(TABLE))
    assert [problem.split()[1] for problem in problems] == ["54321", "8080", "9095"]
    assert "(A)" in problems[0] and "Kafka (B) and admin (D)" in problems[2]


def test_a_taken_port_ends_the_run_and_names_the_variable():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Failure, match=rf"port {port} for Kafka \(STACK_KAFKA_PORT\) is held by process {os.getpid()}"):
            ports.require_free([Wanted(port, "Kafka", "STACK_KAFKA_PORT")])


def test_free_ports_are_different_and_none_to_avoid():
    chosen = ports.pick_free(50, avoid=range(15000, 16000))
    assert len(set(chosen)) == 50
    assert all(16000 <= port < 32000 for port in chosen) and not {*chosen} & {*ports.listeners()}
