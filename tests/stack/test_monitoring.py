"""Alerts and dashboards: promtool accepts and tries the rules, and everything that they name exists."""

import json
import re
import subprocess

import pytest
import yaml

from stack.promtool import promtool
from stack.stack import ROOT

ALERTS = ROOT / "config/prometheus/alerts.yml"
DASHBOARDS = sorted((ROOT / "config/grafana/dashboards").glob("*.json"))
RULES = {rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
METRICS = (ROOT / "docs/metrics.md").read_text()
TYPES = dict(re.findall(r"^\| `([a-z][a-z0-9_]*)` \| (\w+) \|", METRICS, re.M))
NAME = re.compile(r"\b(?:paysaga|process)_\w+\b")


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([promtool(), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)


def exposed() -> set[str]:
    """The names of samples: a histogram has three."""
    return {name + end for name, kind in TYPES.items()
            for end in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))}


@pytest.mark.timeout(300)
def test_promtool_accepts_the_alerts_and_each_fires():
    checked = run("check", "rules", str(ALERTS))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tried = run("test", "rules", "tests/stack/alerts.test.yml")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    tests = [test["name"] for test in yaml.safe_load((ROOT / "tests/stack/alerts.test.yml").read_text())["tests"]]
    assert len(tests) == len(set(tests))
    # Some fire for several reasons.
    assert {test.split(" with ")[0] for test in tests} == {f"{name} {what}" for name in RULES for what in ("fires", "is silent")}


def test_alerts_and_dashboards_name_metrics_that_exist():
    texts = [rule["expr"] for rule in RULES.values()]
    texts += [target["expr"] for path in DASHBOARDS for panel in json.loads(path.read_text())["panels"]
              for target in panel["targets"]]
    assert {name for text in texts for name in NAME.findall(text)} - exposed() == set()


def test_each_alert_has_a_runbook_and_stands_beside_its_metrics():
    runbooks = (ROOT / "docs/operations.md").read_text()
    headings = set(re.findall(r"^### (Paysaga\w+)$", runbooks, re.M))
    assert headings == set(RULES)
    for name, rule in RULES.items():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")
    linked = set(re.findall(r"\[(Paysaga\w+)\]\(operations\.md#", METRICS))
    # Prometheus knows by itself whether a program answers.
    assert linked == set(RULES) - {"PaysagaProgramDown"}


def test_dashboards_are_what_grafana_reads():
    assert len(DASHBOARDS) == 3
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        assert board["uid"] == path.stem
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids)) and all(panel["title"] and panel["targets"] for panel in board["panels"])
        assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"prometheus"}
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert "./config/grafana/dashboards:/etc/grafana/dashboards:ro" in compose["grafana"]["volumes"]
    assert "./config/prometheus:/etc/prometheus:ro" in compose["prometheus"]["volumes"]
