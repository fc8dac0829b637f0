"""What the programs tell of themselves is what docs/metrics.md says they tell, and promtool finds no fault in it."""

import re
import subprocess
from pathlib import Path

import pytest

from harness.certificates import Authority
from harness.direct import Direct, account
from harness.process import Program
from harness.waiting import wait_until
from harness.world import World
from stack.promtool import promtool

DOCUMENT = Path(__file__).parents[2] / "docs/metrics.md"
ROW = re.compile(r"^\| `([a-z][a-z0-9_]*)` \| (\w+) \| ([^|]*) \| ([^|]*) \|", re.M)
TYPE = re.compile(r"^# TYPE (\S+) (\S+)$", re.M)
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? \S+$", re.M)


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    """Type and labels of each metric in the document."""
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels)))
            for name, kind, labels, _ in ROW.findall(DOCUMENT.read_text())}


def told(texts: list[str]) -> dict[str, tuple[str, frozenset[str]]]:
    """Type and labels of each metric that was exposed; of one without a sample the labels are those of the document."""
    found = {}
    for text in texts:
        types = dict(TYPE.findall(text))
        labels: dict[str, frozenset[str]] = {}
        for name, pairs in SAMPLE.findall(text):
            family = name if name in types else re.sub(r"_(bucket|sum|count)$", "", name)
            labels[family] = labels.get(family, frozenset()) | set(re.findall(r'(\w+)="', pairs)) - {"le"}
        for name, kind in types.items():
            known = found.get(name, (kind, None))[1]
            new = labels.get(name)
            found[name] = (kind, new if known is None else known | (new or frozenset()))
    return {name: (kind, documented().get(name, (kind, frozenset()))[1] if labels is None else labels)
            for name, (kind, labels) in found.items()}


@pytest.fixture
def programs(world: World, tmp_path: Path) -> list[Program]:
    """One of each, with everything on that registers metrics, and something done by each."""
    files = Authority(tmp_path, "ours").server()
    direct = Direct(world, SAGA_GRPC_ADDR="127.0.0.1:1")
    for topic in ("debits", "results"):
        world.broker.create_topic(f"{topic}-{world.name}", 1)
    world.broker.create_topic(f"debits-{world.name}.dlq", 1)
    processor = direct.processor(
        DEBIT_TOPIC=f"debits-{world.name}", DEBIT_RESULT_TOPIC=f"results-{world.name}",
        DEBIT_GROUP=f"debits-{world.name}")
    gateway = direct.gateway()
    consumer, cron = world.consumer(), world.cron(PAYMENT_ARCHIVE_AFTER="1h")
    server = world.server(
        SERVER_TLS_CERT=str(files.certificate), SERVER_TLS_KEY=str(files.key),
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert gateway.paid(account())["status"] == "COMPLETED"
    world.push_orders([1])
    world.wait_for_payments(1)
    wait_until(lambda: consumer.metric("paysaga_inventory_partitions") == world.partitions, "its partitions are known", 60)
    return [server, consumer, cron, processor, gateway.program, direct.bank.program]


def test_each_metric_is_documented_and_there(programs: list[Program]):
    # The gateway here has no TLS, and nobody shows a certificate: test_gateway_crashes.py and test_tls.py have those.
    elsewhere = ("paysaga_http_server_tls_certificate_end_seconds", "paysaga_client_tls_certificate_end_seconds")
    wanted = {name: what for name, what in documented().items() if name not in elsewhere}

    def look():
        texts = [program.get("/metrics")[1] for program in programs]
        found = told(texts)
        assert {name: found.get(name) for name in wanted | found} == {name: wanted.get(name) for name in wanted | found}
        return texts

    # Some are told every few seconds only.
    texts = wait_until(look, "the document and the programs agree", 30, interval=0.5)
    for text in texts:
        checked = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
