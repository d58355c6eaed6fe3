"""A contest: the same work done by several contestants, each in fresh processes, in turn, on the same cores.

A contestant is a module that is run with the folder of the input and the folder to write to. Its last line on stdout
is JSON: ``seconds`` that the work took once its engine was up, and ``facts`` about what it found.
"""

import hashlib
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import click

_EVERY = 0.2  # seconds between looks at memory


@dataclass(frozen=True)
class Contestant:
    """Who does the work."""

    name: str
    module: str
    settings: str = "as shipped"  # in words
    arguments: tuple[str, ...] = ()
    rounds: int | None = None  # fewer than the others, where one takes very long


@dataclass(frozen=True)
class Contest:
    """The same work for all."""

    name: str
    work: str  # what is done, in a sentence
    size: int  # rows
    prepare: Callable[[Path], None]  # writes the input into a folder, by work*.py of the stage
    contestants: Sequence[Contestant]
    agree: Sequence[str]  # the facts in which all who tell of any must be equal
    near: Mapping[str, float] = field(default_factory=dict)  # facts that may differ by this share of the highest
    shown: Sequence[str] = ()  # facts that the page shows
    given: str = ""  # name of the input, where contests share one; empty: this contest's own
    gflop: float = 0  # multiplications and additions that the definition takes, in 10^9; 0: they are not what counts
    target: str = ""  # in words
    verdict: Callable[[Mapping[str, float]], str] = field(default=lambda _: "")  # of the median seconds by name


@dataclass(frozen=True)
class Heat:
    """One run of one contestant."""

    contestant: str
    seconds: float  # of the work
    process_seconds: float  # from start to end, with the start of the engine
    peak_mb: int  # resident memory of the process and all it started, at its highest
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Done:
    """A contest and all of its heats."""

    contest: Contest
    heats: Sequence[Heat]

    def seconds(self, name: str) -> list[float]:
        return sorted(heat.seconds for heat in self.heats if heat.contestant == name)

    @property
    def medians(self) -> dict[str, float]:
        return {c.name: median(self.seconds(c.name)) for c in self.contest.contestants}


def carry_out(contest: Contest, work: Path, *, rounds: int, cores: int) -> Done:
    """Run every contestant ``rounds`` times, A B C A B C.

    Raises:
        ClickException: one failed, or they did not all find the same.
    """
    makers = sorted(Path(inspect.getfile(contest.prepare)).parent.glob("work*.py"))
    maker = b"".join(file.read_bytes() for file in makers)
    name = (contest.given or contest.name).replace(" ", "_")
    given = work / "input" / f"{name}_{contest.size}_{hashlib.sha256(maker).hexdigest()[:8]}"
    if not given.exists():
        click.echo(f"{contest.name}: making {contest.size:,} rows")
        begun = given.with_name(f"{given.name}.begun")
        shutil.rmtree(begun, ignore_errors=True)
        contest.prepare(begun)
        begun.rename(given)
    heats = list[Heat]()
    for number in range(rounds):
        for one in contest.contestants:
            if number < (one.rounds or rounds):
                heats.append(_heat(one, given, work / "output", cores))
                click.echo(f"{contest.name}, round {number + 1}: {one.name} {heats[-1].seconds:.1f} s, "
                           f"{heats[-1].peak_mb:,} MB")  # fmt: skip
    for fact in contest.agree:
        found = [(heat.contestant, json.dumps(heat.facts[fact], sort_keys=True)) for heat in heats if heat.facts]
        if len({value for _, value in found}) != 1:
            raise click.ClickException(f"{contest.name}: they do not agree on {fact}: {sorted(set(found))}")
    for fact, share in contest.near.items():
        values = [(float(heat.facts[fact]), heat.contestant) for heat in heats if fact in heat.facts]
        if values and max(values)[0] - min(values)[0] > share * max(values)[0]:
            raise click.ClickException(
                f"{contest.name}: {fact} differs by more than {share:.1%}: {sorted(set(values))}"
            )
    return Done(contest, heats)


def _heat(one: Contestant, given: Path, out: Path, cores: int) -> Heat:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    threads = {name: str(cores) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    command = ["taskset", "-c", f"0-{cores - 1}", sys.executable, "-m", one.module, str(given), str(out)]
    log = out.with_suffix(".log")
    started = time.monotonic()
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, *one.arguments], stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True,
            env={**os.environ, **threads, "SHOAL_BENCH_CORES": str(cores), "SPARK_LOCAL_IP": "127.0.0.1"},
        )  # fmt: skip
        peak = 0
        try:
            while process.poll() is None:
                peak = max(peak, _resident(process.pid))
                time.sleep(_EVERY)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    ended = time.monotonic()
    printed = process.stdout.read() if process.stdout else ""
    if process.returncode != 0:
        raise click.ClickException(f"{one.name} failed:\n{log.read_text()[-3000:]}")
    told = json.loads(printed.strip().splitlines()[-1])
    return Heat(one.name, told["seconds"], ended - started, peak, told["facts"])


def _resident(session: int) -> int:
    """Resident memory in MB of all processes of a session."""
    pages = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                pages += int(fields[21]) if int(fields[3]) == session else 0
            except OSError:
                continue  # it has ended meanwhile
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def told(seconds: float, facts: Mapping[str, Any]) -> None:
    """What a contestant says at its end."""
    print(json.dumps({"seconds": round(seconds, 3), "facts": facts}))
