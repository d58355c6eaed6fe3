"""What people and machines see while a job runs: spinners on a terminal, plain lines elsewhere, JSON on request."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

from rich.console import Console
from rich.progress import Progress as RichProgress
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

LogFormat = Literal["text", "json"]


class Progress:
    """Tells on stderr what happens; results go to stdout and are none of its business."""

    def __init__(self, log_format: LogFormat = "text") -> None:
        self._json = log_format == "json"
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    @contextmanager
    def working(self, stage: str, what: str) -> Iterator[None]:
        """Show that a stage is at work, with its seconds on a terminal."""
        if self._json or not self._console.is_terminal:
            self._tell(stage, "started", what)
            yield
            return
        clock = RichProgress(
            SpinnerColumn(), TextColumn(f"[bold]{stage:<11}[/] {what}"), TimeElapsedColumn(),
            console=self._console, transient=True,
        )  # fmt: skip
        with clock:
            clock.add_task("")
            yield

    def said(self, stage: str, sentence: str) -> None:
        """Something worth knowing."""
        self._tell(stage, "note", sentence)

    def warned(self, stage: str, sentence: str) -> None:
        """Something that a person should look at."""
        self._tell(stage, "warning", sentence)

    def ended(self, stage: str, outcome: str, rows: int | None, seconds: float) -> None:
        """A stage has ended."""
        figures = {"rows": rows, "seconds": round(seconds, 1)}
        counted = "" if rows is None else f"{rows:>12,} rows"
        self._tell(stage, outcome, f"{counted:>17} {seconds:8.1f} s", **figures)

    def brought(self, stage: str, what: str, *, files: int, rows: int, seconds: float) -> None:
        """A stream has brought something in."""
        text = f"{f'{files:,} file' if files == 1 else f'{files:,} files'}, {rows:,} rows, {seconds:.1f} s: {what}"
        self._tell(stage, "note", text, files=files, rows=rows, seconds=round(seconds, 1))

    def advanced(
        self, stage: str, what: str, *, done: int, of: int, rows: int, seconds: float, ends_at: datetime | None
    ) -> None:
        """A part of what is to be done is done; null ``ends_at``: nothing is left."""
        text = f"{done:,} of {of:,} {what}, {rows:,} rows, {seconds:.1f} s"
        figures: dict[str, Any] = {"done": done, "of": of, "rows": rows, "seconds": round(seconds, 1)}
        if ends_at is not None:
            left = (ends_at - datetime.now(UTC)).total_seconds()
            text += f"; some {_spoken(left)} to go at this pace, until {ends_at:%H:%M:%S} UTC"
            figures["ends_at"] = ends_at.isoformat(timespec="seconds")
        self._tell(stage, "note", text, **figures)

    def failed(self, stage: str, message: str, exit_code: int) -> None:
        """The command ends here."""
        self._tell(stage, "error", message, exit_code=exit_code)

    def _tell(self, stage: str, event: str, text: str, **figures: Any) -> None:
        if self._json:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            line = {"time": now, "stage": stage, "event": event, "message": text.strip(), **figures}
            print(json.dumps(line), file=sys.stderr, flush=True)
            return
        colours = {"warning": "yellow", "error": "red", "done": "green", "nothing new": "green"}
        if event == "started":
            text = f"{text} ..."
        label = "" if event in {"note", "started"} else f"[{colours.get(event, 'default')}]{event}[/]: "
        if event in {"done", "nothing new"}:
            label = f"[{colours[event]}]{event:<11}[/] "
        self._console.print(f"[bold]{stage:<11}[/] {label}", end="")
        self._console.print(text, markup=False)


def _spoken(seconds: float) -> str:
    """A time as people say it."""
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(seconds, 0):.0f} seconds"
