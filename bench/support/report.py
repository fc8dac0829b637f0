"""The rows of the table, and how they are shown and kept."""

import json
import os
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import confluent_kafka


@dataclass(frozen=True)
class Row:
    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    target: str
    met: bool | None
    spread: str


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def _spread(values: list[float]) -> str:
    return f"{_number(min(values))} … {_number(max(values))}" if len(values) > 1 else "one run"


class Report:
    """What was measured so far."""

    def __init__(self, quick: bool):
        self.quick = quick
        self.rows: list[Row] = []

    def add(self, name: str, values: list[float], unit: str, *, baselines: list[float] | None = None,
            target: str = "", meets=None) -> Row:
        """Adds the median of `values`, one a run; `baselines` were measured in turn with them.

        The ratio is the median of the ratios of the runs. `meets(value, ratio)` says whether the target is reached.
        """
        value = median(values)
        baseline = median(baselines) if baselines else None
        ratio = median(v / b for v, b in zip(values, baselines)) if baselines else None
        row = Row(name, value, unit, baseline, ratio, target, meets(value, ratio) if meets else None, _spread(values))
        self.rows.append(row)
        print(f"    {name}: {_number(value)} {unit} ({row.spread}), baseline {_number(baseline)}, "
              f"ratio {_number(ratio)} {target}", flush=True)
        return row

    def _cells(self) -> list[list[str]]:
        word = {True: "yes", False: "NO", None: ""}
        return [[row.name, f"{_number(row.value)} {row.unit}", row.spread, _number(row.baseline), _number(row.ratio),
                 row.target, word[row.met]] for row in self.rows]

    HEAD = ["what", "value", "lowest … highest", "baseline", "ratio", "target", "met"]

    def print(self) -> None:
        cells = [self.HEAD, *self._cells()]
        widths = [max(len(line[n]) for line in cells) for n in range(len(self.HEAD))]
        if self.quick:
            print("quick run: small sizes, not to be relied on")
        for line in cells:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())

    def write_json(self, path: Path) -> None:
        rows = []
        for row in self.rows:
            fields = {"name": row.name, "value": row.value, "unit": row.unit, "baseline": row.baseline,
                      "ratio": row.ratio, "target": row.target, "met": row.met}
            rows.append(fields | ({"quick": True} if self.quick else {}))
        path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")

    def write_document(self, docs: Path, plots: dict[str, str]) -> None:
        """docs/benchmarks.md: this run as the last good one."""
        for name, content in plots.items():
            (docs / name).write_text(content)
        lines = [
            "# Benchmarks", "",
            "The last full run of `make bench` that was kept (`bench/run --keep`). Each value is the median of its runs, "
            "taken in turn with its baseline on the same servers; the ratio is the median of the runs' ratios. Absolute "
            "numbers belong to this machine, ratios travel better.", "",
            *[f"- {line}" for line in machine()], "",
            "| " + " | ".join(self.HEAD) + " |", "|" + " --- |" * len(self.HEAD),
            *["| " + " | ".join(line) + " |" for line in self._cells()], "",
            "What each line means is told at the top of its file in bench/measures.", "",
            *[f"![{name}]({name})" for name in plots],
        ]
        (docs / "benchmarks.md").write_text("\n".join(lines).rstrip() + "\n")


def _first_line(*command: str) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "?"
    return (answer.stdout or answer.stderr).splitlines()[0].strip()


def machine() -> list[str]:
    """Date, machine and versions."""
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    system = next((line.split("=", 1)[1].strip('"') for line in Path("/etc/os-release").read_text().splitlines()
                   if line.startswith("PRETTY_NAME=")), "?")
    versions = [
        _first_line("swift", "--version"), _first_line("psql", "--version"), _first_line("redis-server", "--version"),
        _first_line("nghttpd", "--version"), f"librdkafka of the measuring clients {confluent_kafka.libversion()[0]}",
    ]
    return [
        f"Date: {time.strftime('%Y-%m-%d', time.gmtime())}, commit {_first_line('git', 'rev-parse', '--short', 'HEAD')}",
        f"Machine: {os.cpu_count()} cores, {model}, {memory:.0f} GiB, {system}, kernel {platform.release()}",
        "Versions: " + "; ".join(versions),
        "PostgreSQL with fsync on, shared_buffers 256 MB, max_wal_size 2 GB; the broker is devkafka, in memory",
    ]
