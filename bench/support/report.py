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
    benchmark: str
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
    """The results so far."""

    def __init__(self, quick: bool):
        self.quick = quick
        self.rows: list[Row] = []
        # File name, benchmark and content of each picture.
        self._plots: list[tuple[str, str, str]] = []
        # The description of each benchmark that ran; the last one is running.
        self._texts: dict[str, str] = {}

    def begin(self, benchmark: str, text: str) -> None:
        """Rows from here on belong to this benchmark."""
        self._texts[benchmark] = " ".join(text.split())

    def add(self, name: str, values: list[float], unit: str, *, baselines: list[float] | None = None,
            target: str = "", meets=None) -> Row:
        """Adds the median of `values`, one a run; `baselines` were measured in turn with them.

        The ratio is the median of the ratios of the runs. `meets(value, ratio)` says whether the target is reached.
        """
        value = median(values)
        baseline = median(baselines) if baselines else None
        ratio = median(v / b for v, b in zip(values, baselines)) if baselines else None
        row = Row(list(self._texts)[-1], name, value, unit, baseline, ratio, target, meets(value, ratio) if meets else None, _spread(values))
        self.rows.append(row)
        print(f"    {name}: {_number(value)} {unit} ({row.spread}), baseline {_number(baseline)}, "
              f"ratio {_number(ratio)} {target}", flush=True)
        return row

    def plot(self, name: str, content: str) -> None:
        """A picture of what the running benchmark measured; an SVG file beside the document."""
        self._plots.append((name, list(self._texts)[-1], content))

    def _cells(self, benchmark: str | None = None) -> list[list[str]]:
        word = {True: "yes", False: "NO", None: ""}
        return [[row.name, f"{_number(row.value)} {row.unit}", row.spread, _number(row.baseline), _number(row.ratio),
                 row.target, word[row.met]] for row in self.rows if benchmark in (None, row.benchmark)]

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

    def write_document(self, docs: Path, order: list[str]) -> None:
        """Writes docs/benchmarks.md: new results replace the older ones of the same benchmarks."""
        document = docs / "benchmarks.md"
        kept = document.read_text() if document.exists() else ""
        sections = {part.split("\n", 1)[0]: part for part in ("\n" + kept).split("\n## ")[1:]}
        for name in self._texts:
            sections[name] = self._section(name)
        for name, _, content in self._plots:
            (docs / name).write_text(content)
        head = [
            "# Benchmarks", "",
            "The last results of `make bench` that `bench/run --keep` stored; each part has its own date. A value is the "
            "median of its runs, which alternate with those of the baseline on the same servers; the ratio is the median "
            "of the runs' ratios. Absolute figures depend on the machine; ratios compare better. PostgreSQL runs with "
            "fsync on, shared_buffers 256 MB and max_wal_size 2 GB; the broker is devkafka, in memory.", "",
        ]
        parts = [f"## {sections[name].rstrip()}\n" for name in order if name in sections]
        document.write_text("\n".join([*head, "\n".join(parts)]))

    def _section(self, benchmark: str) -> str:
        pictures = [name for name, of, _ in self._plots if of == benchmark]
        lines = [
            benchmark, "", self._texts[benchmark], "", *[f"- {line}" for line in machine()], "",
            "| " + " | ".join(self.HEAD) + " |", "|" + " --- |" * len(self.HEAD),
            *["| " + " | ".join(line) + " |" for line in self._cells(benchmark)], "",
            *[f"![{name}]({name})" for name in pictures],
        ]
        return "\n".join(lines)


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
    ]
