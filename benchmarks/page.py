"""The kept figures of all stages as ``docs/benchmarks.md``."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contest import Done

_HEAD = """# Benchmarks

Written by `make bench`; do not edit. Each contestant runs in a fresh process, in turn with the others, on the same
cores, and writes its result; all must find the same, or nothing is kept. `seconds` is the median of the work itself
once the engine is up, with the shortest and the longest in brackets; `process` is the median from start to end. What
Shoal loses is shown as what it wins.
"""


def keep(file: Path, stage: str, limits: Mapping[str, str], done: Done) -> None:
    """Write the figures of a contest down, in place of those of an earlier run of it."""
    file.parent.mkdir(exist_ok=True)
    kept = json.loads(file.read_text())["contests"] if file.exists() else []
    measured = {"date": datetime.now(UTC).date().isoformat(), "machine": dict(limits)}
    contests = {one["name"]: one for one in kept} | {done.contest.name: measured | _contest(done)}
    file.write_text(json.dumps({"stage": stage, "contests": [*contests.values()]}, indent=1) + "\n")


def _contest(done: Done) -> dict[str, Any]:
    contest = done.contest
    return {
        "name": contest.name, "work": contest.work, "rows": contest.size, "target": contest.target,
        "verdict": contest.verdict(done.medians), "gflop": contest.gflop, "shown": [*contest.shown],
        "contestants": [{"name": c.name, "settings": c.settings} for c in contest.contestants],
        "heats": [{**vars(heat), "seconds": round(heat.seconds, 2), "process_seconds": round(heat.process_seconds, 2)}
                  for heat in done.heats],
    }  # fmt: skip


def written(folder: Path) -> str:
    """The page, from all kept figures."""
    parts = [_HEAD]
    for file in sorted(folder.glob("*.json")):
        stage = json.loads(file.read_text())
        parts.append(f"\n## {stage['stage']}\n")
        parts += [_section(contest) for contest in stage["contests"]]
    return "".join(parts)


def _section(contest: Mapping[str, Any]) -> str:
    lines = [f"\n### {contest['name']}\n", f"{contest['rows']:,} rows. {contest['work']}\n"]
    # Of stages without arithmetic worth counting, the limit of the machine says nothing.
    gflop = contest.get("gflop", 0)
    cores, of_core = int(contest["machine"]["cores"]), float(contest["machine"]["SGEMM, one core"].split()[0])
    shown = contest.get("shown", [])
    names = ["contestant", "settings", "runs", "seconds", "process", "rows/s", "peak MB", *shown]
    names += ["of SGEMM"] if gflop else []
    lines += [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    for one in contest["contestants"]:
        heats = [heat for heat in contest["heats"] if heat["contestant"] == one["name"]]
        spans = sorted(heat["seconds"] for heat in heats)
        middle, process = median(spans), median(heat["process_seconds"] for heat in heats)
        peak = max(heat["peak_mb"] for heat in heats)
        seconds = f"{middle:.1f} ({spans[0]:.1f} to {spans[-1]:.1f})"
        figures = f"{seconds} | {process:.1f} | {contest['rows'] / middle:,.0f} | {peak:,}"
        cells = [one["name"], one["settings"], str(len(spans)), figures, *(str(heats[-1]["facts"][n]) for n in shown)]
        cells += [f"{gflop / middle / (cores * of_core):.0%}"] if gflop else []
        lines.append(f"| {' | '.join(cells)} |")
    lines += [f"\nTarget: {contest['target']} {contest['verdict']}" if contest["target"] else f"\n{contest['verdict']}"]
    machine = "; ".join(f"{name} {value}" for name, value in contest["machine"].items())
    lines += [f"\nMeasured on {contest['date']}: {machine}."]
    return "\n".join(lines) + "\n"
