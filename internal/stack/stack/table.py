"""What the local stack consists of. Adding a program is one entry in PROGRAMS; everything else follows from it:
its ports are checked and chosen, it is started, awaited, listed, stopped and named in the help.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

HOST = "127.0.0.1"
# The setting that differs from program to program; all others mean the same to each.
ADMIN = "ADMIN_ADDR"

# What devkafka has from the start, with the number of partitions.
TOPICS = {
    "inventory": 4, "inventory.dlq": 4, "payment": 4,
    "direct.payments": 3, "direct.payments.dlq": 3, "direct.results": 3, "direct.results.dlq": 3,
    "debits": 3, "debits.dlq": 3, "debits-results": 3,
    "payments": 3, "paymentsResults": 3, "status-payments": 3, "payment_request": 3,
}

# The value of every port variable; None for a port that is off.
Ports = Mapping[str, int | None]


@dataclass(frozen=True)
class Port:
    """A TCP port that a part listens on."""

    # The variable that chooses it. Its name starts with STACK_, because the programs read their own settings (DB_…,
    # KAFKA_…) from the environment and refuse unknown ones.
    variable: str
    # The port when the variable is not set; None leaves the listener off.
    default: int | None
    # What listens there, for messages.
    what: str
    # The setting of the program that takes HOST:PORT of its own listener, if there is one.
    setting: str | None = None


@dataclass(frozen=True)
class Part:
    """A server or program of the stack. The first of its ports is the one shown as its address."""

    name: str
    ports: tuple[Port, ...]


@dataclass(frozen=True)
class Program(Part):
    """A part that this repository builds."""

    # The command line after the program's name.
    arguments: Callable[[Ports, str], list[str]] = lambda ports, config: ["--config", config]
    # GET of this path on the first port answers 200 when the program is ready; None: it is ready when it listens.
    ready_path: str | None = "/readyz"
    ready_seconds: int = 60
    # How long it may take to drain after SIGTERM.
    stop_seconds: int = 40
    # Settings that are files of its own, with the file's name in the stack's folder of such files.
    files: Mapping[str, str] = field(default_factory=dict)
    # Settings that are databases, with the role that the program logs in as.
    roles: Mapping[str, str] = field(default_factory=dict)


def address(ports: Ports, variable: str) -> str:
    return f"{HOST}:{ports[variable]}"


def _devkafka(ports: Ports, config: str) -> list[str]:
    arguments = ["--listen", address(ports, "STACK_KAFKA_PORT")]
    for topic, partitions in TOPICS.items():
        arguments += ["--topic", f"{topic}:{partitions}"]
    if ports["STACK_KAFKA_CONTROL_PORT"] is not None:
        arguments += ["--control", address(ports, "STACK_KAFKA_CONTROL_PORT")]
    return arguments


POSTGRES = Part("postgres", (Port("STACK_POSTGRES_PORT", 54321, "PostgreSQL"),))
REDIS = Part("redis", (Port("STACK_REDIS_PORT", 63790, "Redis"),))
DEVKAFKA = Program(
    "devkafka",
    (
        Port("STACK_KAFKA_PORT", 9095, "Kafka"),
        Port("STACK_KAFKA_CONTROL_PORT", None, "devkafka's control endpoint"),
    ),
    arguments=_devkafka,
    ready_path=None,
    ready_seconds=20,
    stop_seconds=10,
)

# The programs `up` starts, in this order; they are stopped side by side.
PROGRAMS = (
    Program(
        "bankstub",
        (
            Port("STACK_BANK_ADMIN_PORT", 9107, "bankstub's admin endpoint", ADMIN),
            Port("STACK_BANK_PORT", 9002, "the imitated bank", "BANKSTUB_ADDR"),
        ),
        files={"BANKSTUB_FILE": "bankstub.ndjson"},
    ),
    Program(
        "payments-server",
        (
            Port("STACK_SERVER_ADMIN_PORT", 9101, "payments-server's admin endpoint", ADMIN),
            Port("STACK_GRPC_PORT", 8081, "the gRPC API", "SERVER_GRPC_ADDR"),
        ),
        roles={"DB_DSN": "paysaga_server"},
    ),
    Program(
        "payments-consumer",
        (Port("STACK_CONSUMER_ADMIN_PORT", 9102, "payments-consumer's admin endpoint", ADMIN),),
        roles={"DB_DSN": "paysaga_consumer"},
    ),
    # The server relays too; payments-cron beside it shows two relays sharing the shards.
    Program(
        "payments-cron",
        (Port("STACK_CRON_ADMIN_PORT", 9103, "payments-cron's admin endpoint", ADMIN),),
        roles={"DB_DSN": "paysaga_cron"},
    ),
    Program(
        "payments-processor",
        (Port("STACK_PROCESSOR_ADMIN_PORT", 9105, "payments-processor's admin endpoint", ADMIN),),
        roles={"PROCESSING_DSN": "paysaga_processor"},
    ),
    Program(
        "payments-gateway",
        (
            Port("STACK_GATEWAY_ADMIN_PORT", 9104, "payments-gateway's admin endpoint", ADMIN),
            Port("STACK_GATEWAY_PORT", 8090, "direct payments (HTTP)", "GATEWAY_ADDR"),
            Port("STACK_CARDS_PORT", 9000, "the surface cards", "GATEWAY_CARDS_ADDR"),
            Port("STACK_PAYMENTS_PORT", 8010, "the surface payments", "GATEWAY_PAYMENTS_ADDR"),
            Port("STACK_PAGE_PORT", 4000, "the page of the surface payments", "GATEWAY_PAGE_ADDR"),
            Port("STACK_UPDATER_PORT", 8011, "the updater's greeting", "GATEWAY_UPDATER_ADDR"),
            Port("STACK_TRANSACTIONS_PORT", 9191, "the surface transactions", "GATEWAY_TRANSACTIONS_ADDR"),
            Port("STACK_DEMO_PORT", 8000, "the surface demo", "GATEWAY_DEMO_ADDR"),
        ),
        roles={"GATEWAY_DSN": "paysaga_gateway", "PROCESSING_DSN": "paysaga_cards"},
    ),
)

BACKING = (POSTGRES, REDIS, DEVKAFKA)
PARTS: tuple[Part, ...] = BACKING + PROGRAMS


def settings(ports: Ports) -> dict[str, str]:
    """The settings that say where this stack listens, for the programs and the command line, but the database's: that
    depends on the role."""
    return {
        "REDIS_DSN": f"redis://{address(ports, 'STACK_REDIS_PORT')}/0",
        "GATEWAY_REDIS_DSN": f"redis://{address(ports, 'STACK_REDIS_PORT')}/0",
        "KAFKA_BROKERS": address(ports, "STACK_KAFKA_PORT"),
        "BANK_URL": f"http://{address(ports, 'STACK_BANK_PORT')}",
        "SAGA_GRPC_ADDR": address(ports, "STACK_GRPC_PORT"),
        # Whom `paysaga doctor` asks.
        "PAYSAGA_PROGRAMS": ",".join(
            address(ports, port.variable)
            for program in PROGRAMS if program.name.startswith("payments-")
            for port in program.ports if port.setting == ADMIN),
    } | {
        port.setting: address(ports, port.variable)
        for program in PROGRAMS
        for port in program.ports
        if port.setting not in (None, ADMIN)
    }


def find(name: str) -> Part:
    """The part of that name; KeyError when there is none."""
    return {part.name: part for part in PARTS}[name]
