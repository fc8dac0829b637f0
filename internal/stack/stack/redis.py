"""A private Redis without persistence. It is a filter in front of the database (guarantee G7), so losing it is harmless."""

import shutil
import signal
import socket

from .console import Ended, Failure, detail, heading, wait_until
from .stack import Stack
from .table import HOST, REDIS


def answers(stack: Stack) -> bool:
    if not stack.process(REDIS).is_running():
        raise Ended
    try:
        with socket.create_connection((HOST, stack.ports["STACK_REDIS_PORT"]), timeout=3) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def start(stack: Stack) -> None:
    process = stack.process(REDIS)
    if process.is_running():
        detail(f"redis: already running (pid {process.pid()}, {stack.address(REDIS)})")
        return
    program = shutil.which("redis-server")
    if program is None:
        raise Failure("redis-server is not installed: run 'make deps'")
    stack.require_free_ports((REDIS,))
    heading(f"redis: starting on {stack.address(REDIS)}")
    process.launch([
        program, "--port", str(stack.ports["STACK_REDIS_PORT"]), "--bind", HOST, "--save", "", "--appendonly", "no",
        "--daemonize", "no", "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"])
    if not wait_until(20, "redis is starting", process.log, lambda: answers(stack)):
        raise Failure("Redis did not start")


def stop(stack: Stack) -> None:
    stack.process(REDIS).stop(signal.SIGTERM, 10, signal.SIGKILL)
