"""Rows as text for people, and values as JSON can hold them."""

import io
import json
import math
import shutil
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import Row
from rich.console import Console
from rich.table import Table as RichTable

_WIDTH = 100  # of tables where there is no terminal


def as_table(names: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> str:
    """Rows as a table for a terminal; numbers to the right."""
    table = RichTable(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(names):
        number = any(isinstance(row[place], int | float | Decimal) for row in rows)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    named = sum(len(name) + 2 for name in names)  # no name is folded
    width = max(shutil.get_terminal_size((_WIDTH, 24)).columns, 12 * len(names), named)
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(table)
    shown: io.StringIO = console.file  # type: ignore[assignment]  # set two lines above
    return "\n".join([*([title] if title else []), *(line.rstrip() for line in shown.getvalue().splitlines())])


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
        case int():
            return f"{value:,}"
        case Decimal():
            return f"{value:,.2f}" if value == round(value, 2) else f"{value.normalize():,f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case dict() | list():
            return json.dumps(plain(value), ensure_ascii=False)
        case _:
            return str(value)


def plain(value: Any) -> Any:
    """A value as JSON can hold it; decimals keep their digits as text."""
    match value:
        case Row():
            return {name: plain(part) for name, part in value.asDict().items()}
        case dict():
            return {name: plain(part) for name, part in value.items()}
        case list() | tuple():
            return [plain(part) for part in value]
        case float() if not math.isfinite(value):
            return None  # JSON has neither NaN nor infinity
        case Decimal() | datetime() | date():
            return value.isoformat() if not isinstance(value, Decimal) else str(value)
        case _:
            return value
