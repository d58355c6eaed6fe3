"""What a feed declares: its raw columns, how they become events, and its own row rules. No machinery."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shoal.sources.target import TARGETS, Subject, Target
from shoal.tables import Rule, Table, bronze

Form = Literal["text", "integer", "decimal", "time"]
WHOLE_ORDER = "WHOLE ORDER"  # the item of a return that names none, but the order
SEPARATORS = (",", ";", "\t", "|")  # what may part the values of a CSV
NO_TEXT = "\ufffd"  # what stands where bytes are no UTF-8
FIRST_YEAR, LAST_YEAR = 2, 9998  # Python holds the years 1 to 9999; a year is left at either end for zones
ISO_DATE = "^[0-9]{4}-"  # how a time must begin: Spark would read a bare clock as one of today


@dataclass(frozen=True)
class RawColumn:
    """A column as the shop exports it."""

    name: str
    form: Form  # its one text form in bronze, the same from every file format
    doc: str
    required: bool = True  # a file without it is refused
    time_formats: tuple[str, ...] = ()  # tried in order, after ISO 8601
    source: str | None = None  # its name in the file, where that is another, or its path
    decimal_comma: bool = False  # of a number in a CSV: 1.234,50 is one thousand and some

    @property
    def file_name(self) -> str:
        """Its name in the file."""
        return self.source or self.name


@dataclass(frozen=True)
class Feed:
    """One kind of foreign data.

    ``mapping`` gives SQL over the raw columns for columns of the table of its ``target``; columns left out are null,
    and a change without ``changed_at`` is one of its delivery. ``$zone`` and ``$currency`` in it stand for the feed's
    time zone and its currency, by default the shop's.
    Where it is to be ``ignored``, a row is no event: it stays in bronze and is counted, no rule judges it.
    """

    name: str
    doc: str
    columns: tuple[RawColumn, ...]
    mapping: dict[str, str]
    natural_key: tuple[str, ...]  # raw columns that tell events without an id apart; changes of one thing and moment
    repeats_are_real: bool  # identical rows of one file are different events
    time_zone: str | None  # of times that carry no zone; None: every time carries one or counts from 1970 UTC
    currency: str | None  # None: the rows say it, or there is no money
    event_id: str | None = None  # SQL over the raw columns for the feed's own id
    rules: tuple[Rule, ...] = ()  # beside those of silver.events; raw columns as raw.<name>
    has_header: bool = True  # False: every line of a CSV is a row, its columns in the declared order
    separator: str = ","  # between the values of a CSV
    has_quotes: bool = True  # False: a quote is a sign of a CSV's text as any other
    multi_line: bool = False  # quoted text may hold line breaks: files are then read whole, by one task each
    explode: str | None = None  # path of an array whose every element makes a row
    elements: str | None = None  # SQL over the file's columns and `element`: which elements do; None: all of them
    kept: Mapping[str, str] = field(default_factory=dict)  # SQL over the raw columns for further entries of `extra`
    ignored: str | None = None  # SQL over the raw columns: the row is no event; null counts as not ignored
    definition: str | None = None  # the declaration it was made from, as JSON; None: it is part of Shoal
    of: Subject = "events"  # what it tells of

    @property
    def target(self) -> Target:
        """What its rows become."""
        return TARGETS[self.of]

    @property
    def table(self) -> Table:
        """The bronze table of this feed."""
        return bronze(self.name, [(column.name, column.doc) for column in self.columns])

    @property
    def version(self) -> str | None:
        """Tells declarations of one feed apart; None for a feed that is part of Shoal."""
        return None if self.definition is None else hashlib.sha256(self.definition.encode()).hexdigest()[:12]

    @property
    def reading(self) -> str | None:
        """Tells apart what declarations of one feed make of a file, before any mapping; None as for ``version``."""
        if self.definition is None:
            return None
        columns = [(c.name, c.form, c.time_formats, c.file_name) for c in self.columns]
        separator: list[str] = [] if self.separator == "," else [self.separator]
        separator += ["decimal comma"] if any(column.decimal_comma for column in self.columns) else []
        said = repr((columns, self.explode, self.has_header, self.multi_line, *separator))
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    @property
    def row_rules(self) -> list[Rule]:
        """The feed's own rules, and that each raw value has the form its column declares."""
        values = ", ".join(f"raw.`{column.name}`" for column in self.columns)
        return [
            Rule("the row fits its header", "raw.malformed IS NULL"),
            Rule("the row is text in UTF-8", f"NOT contains(concat_ws('', {values}), '{NO_TEXT}')"),
            *(rule for column in self.columns for rule in _form_rules(column)),
            *self.rules,
        ]


def time_of(name: str) -> str:
    """SQL that reads a time from its text form; null where it is none."""
    return f"CASE WHEN {name} RLIKE '{ISO_DATE}' THEN try_cast({name} AS TIMESTAMP) END"


def _form_rules(column: RawColumn) -> list[Rule]:
    value = f"raw.{column.name}"
    match column.form:
        case "integer":
            return [
                Rule(
                    f"{column.name} is a whole number",
                    f"{value} IS NULL OR try_cast({value} AS BIGINT) IS NOT NULL",
                )
            ]
        case "decimal":
            return [
                Rule(
                    f"{column.name} is a number",
                    f"{value} IS NULL OR try_cast({value} AS DECIMAL(18, 6)) IS NOT NULL",
                )
            ]
        case "time":
            return [
                Rule(
                    f"{column.name} is a time",
                    f"{value} IS NULL OR coalesce(year({time_of(value)}) BETWEEN {FIRST_YEAR} AND {LAST_YEAR}, false)",
                )
            ]
        case "text":
            return []
