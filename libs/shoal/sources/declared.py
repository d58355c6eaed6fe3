"""A feed that a shop declares as data, without code: what may be written down, and the feed that it makes.

``docs/feeds.md`` shows how to write one.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)
from pyspark.sql.types import BooleanType, DataType, IntegerType, MapType, NumericType, StringType, TimestampType

from shoal.frames import sql_text
from shoal.sources.feed import Feed, Form, RawColumn, time_of
from shoal.sources.nested import contradictions
from shoal.sources.shoal import consents_are_read, consents_of, is_said
from shoal.sources.target import GIVEN, TARGETS, Subject
from shoal.tables import Column, Policy, Rule, Severity, bronze

# An id is declared apart from the other columns.
_COLUMNS: dict[Subject, dict[str, Column]] = {
    of: {column.name: column for column in target.table.columns if column.name not in GIVEN}
    for of, target in TARGETS.items()
}
MAPPED: dict[Subject, dict[str, DataType]] = {
    of: {name: column.type for name, column in columns.items()} for of, columns in _COLUMNS.items()
}
_TAKEN = {*bronze("any", []).names, "raw", "_id", "_metadata"}
_NAME = "^[a-z][a-z0-9_]*$"
_COLUMN = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_CURRENCY = re.compile("[A-Z]{3}")
_LONGEST_NAME = 100  # it names a folder, and begins the ids of batches
# The same rows must make the same events tomorrow.
_OF_THE_MOMENT = re.compile(
    r"\b(current_timestamp|current_date|current_time|localtimestamp|curdate|now(?=\s*\()|unix_timestamp(?=\s*\(\s*\))|"
    r"(?:rand|randn|random|uuid|shuffle|monotonically_increasing_id|spark_partition_id|input_file_name)(?=\s*\()|select|"
    r"(?:timestamp|timestamp_ntz|timestamp_ltz|date)\s*'\s*(?:now|today|tomorrow|yesterday)\s*')",
    re.IGNORECASE,
)
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'")


_MOST_MONEY = 10.0**12  # 18 digits, 6 of them after the point


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class RawPart(_Part):
    """A column of the file."""

    source: str | None = Field(None, alias="from", min_length=1, description="its name or path in the file, if another")
    form: Form = Field("text", description="text, integer, decimal or time")
    formats: tuple[str, ...] = Field((), strict=False, description="of a time: patterns to try after ISO 8601")
    optional: bool = Field(False, description="a file may lack it")
    doc: str = Field("", description="what it means")


class EventPart(_Part):
    """Where a column of the event or change comes from: a column of the file, a constant, or SQL."""

    source: str | None = Field(None, alias="from", description="a column")
    values: dict[str, str] | None = Field(None, description="of a column: its values, and what each becomes")
    otherwise: str | None = Field(None, description="what other values become; by default they stay as they are")
    value: str | bool | int | float | None = Field(None, description="a constant")
    sql: str | None = Field(None, min_length=1, description="Spark SQL over the columns")


class RulePart(_Part):
    """A rule of the feed's own; plain SQL is short for its condition."""

    condition: str = Field(min_length=1, description="SQL over the event; raw columns are raw.<name>")
    policy: Policy = Field("quarantine", description="quarantine, warn, stop or record")
    severity: Severity | None = Field(None, description="critical, warning or info; follows from the policy")
    mostly: float | None = Field(None, gt=0, le=1, description="share of the rows that must keep it")
    owner: str = Field("", description="who is asked about it")
    reason: str = Field("", description="why it must hold")

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler) -> Any:
        """However it was spelled, the same rule makes the same version of the feed."""
        whole = handler(self)
        return whole["condition"] if {*whole} == {"condition"} else whole


def _shorthand(key: str) -> Any:
    """Plain text is short for a mapping with this one key."""

    def spelled_out(value: object) -> object:
        if isinstance(value, dict):
            return {name: {key: part} if isinstance(part, str) else {} if part is None else part
                    for name, part in value.items()}  # fmt: skip
        return value

    return spelled_out


class FeedFile(_Part):
    """A feed as a shop writes it down."""

    feed: str = Field(pattern=_NAME, max_length=_LONGEST_NAME, description="its name, which names its bronze table too")
    doc: str = Field("", description="what it brings")
    of: Subject = Field("events", description="what it tells of: events, items, users or categories")
    header: bool = Field(True, description="false: a CSV begins with a row, its columns in the order below")
    separator: Literal[",", ";", "\t", "|"] = Field(",", description="between the values of a CSV")
    decimal_comma: bool = Field(False, description="numbers of a CSV are written as 1.234,50")
    multi_line: bool = Field(False, description="quoted text of a CSV may hold line breaks")
    time_zone: str = Field("UTC", description="IANA zone of times that say none")
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = Field(None, description="ISO 4217, of every price")
    explode: str | None = Field(None, pattern=r"^[^\[\]]+$", description="array whose every element makes a row")
    columns: dict[str, RawPart] = Field(min_length=1, description="the columns of the file that are used")
    event_id: str | None = Field(None, min_length=1, description="SQL for the shop's own id of an event")
    natural_key: tuple[str, ...] | None = Field(
        None,
        strict=False,
        min_length=1,
        description="without an id: the columns that tell events apart; or changes of one thing and moment",
    )
    repeats_are_real: bool = Field(False, description="identical rows of one file are different events")
    events: dict[str, EventPart] = Field({}, description="of events: columns of silver.events")
    items: dict[str, EventPart] = Field({}, description="of items: columns of silver.item_changes")
    users: dict[str, EventPart] = Field({}, description="of users: columns of silver.user_changes")
    categories: dict[str, EventPart] = Field({}, description="of categories: columns of silver.category_changes")
    ignore: str | None = Field(None, min_length=1, description="condition in SQL: the row is no event")
    rules: dict[str, RulePart] = Field({}, description="what every row must keep, by name")

    _columns = field_validator("columns", mode="before")(_shorthand("form"))
    _rules = field_validator("rules", mode="before")(_shorthand("condition"))
    _mapped = field_validator(*TARGETS, mode="before")(_shorthand("from"))

    @property
    def mapping(self) -> dict[str, EventPart]:
        """Where the columns of its target come from."""
        return {"events": self.events, "items": self.items, "users": self.users, "categories": self.categories}[self.of]

    @field_validator("time_zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        if zone not in available_timezones() - {"Factory", "localtime", "posixrules"}:
            raise ValueError(f"unknown time zone {zone!r}; write it like Europe/London")
        return zone


def problems(spec: FeedFile) -> Iterator[str]:
    """What contradicts itself in a declaration whose every part is well formed."""
    for name, column in spec.columns.items():
        is_taken = name.lower() in _TAKEN or name.lower().startswith("_shoal_")
        if is_taken or not _COLUMN.fullmatch(name):
            wrong = "is a name that Shoal keeps for itself" if is_taken else "is no plain name"
            yield f"columns.{name}: {wrong}; choose another and add `from: {json.dumps(column.source or name)}`"
        if column.source is not None and not spec.header:
            yield f"columns.{name}.from: without a header the file has no names; its columns are taken in their order"
        if column.formats and column.form != "time":
            yield f"columns.{name}.formats: only a time has formats; this column is {column.form}"
    for wrong in contradictions([c.source or name for name, c in spec.columns.items()], spec.explode):
        yield f"columns: {wrong}"
    if len({name.lower() for name in spec.columns}) < len(spec.columns):
        yield "columns: two names differ in case only"
    for name in spec.natural_key or ():
        if name not in spec.columns:
            yield f"natural_key: {name} is no column; there are {', '.join(spec.columns)}"
    for name, count in Counter(spec.natural_key or ()).items():
        if count > 1:
            yield f"natural_key: {name} is named twice"
    for name in TARGETS[spec.of].needed:
        if name not in spec.mapping:
            yield f"{spec.of}.{name}: is missing; every {TARGETS[spec.of].row} needs it"
    for other in TARGETS:
        if other != spec.of and other in spec.model_fields_set:
            yield f"{other}: this feed tells of {spec.of}; say `of: {other}`, or map the columns under {spec.of}"
    if spec.of != "events" and spec.event_id is not None:
        yield f"event_id: only events have ids of their own; a change is told by its {TARGETS[spec.of].about} and time"
    if spec.of != "events" and spec.repeats_are_real:
        yield "repeats_are_real: only of events; what is said twice of a thing is said once"
    for name, part in spec.mapping.items():
        yield from _problems_of(name, part, spec)
    conditions = ((f"rules.{name}", rule.condition) for name, rule in spec.rules.items())
    for name, text in [("event_id", spec.event_id or ""), ("ignore", spec.ignore or ""), *conditions]:
        yield from of_the_moment(name, text)
    priced = [price for price in TARGETS[spec.of].money if price in spec.mapping]
    if priced and not spec.currency and "currency" not in spec.mapping:
        for name in spec.columns:
            if name.lower() == "currency":
                yield f"columns.{name}: says the currency of {priced[0]}, and nothing reads it; add {spec.of}.currency"
    for name in spec.rules:
        if not name.strip():
            yield "rules: a rule needs a name, by which people know why a row was rejected"
        if name in {rule.name for rule in TARGETS[spec.of].table.row_rules}:
            yield f"rules.{name}: every feed has a rule of that name; choose another"


def _problems_of(name: str, part: EventPart, spec: FeedFile) -> Iterator[str]:
    at, given, mapped = f"{spec.of}.{name}", part.model_fields_set, MAPPED[spec.of]
    if name not in mapped:
        is_id = name == "event_id" and spec.of == "events"
        known = "is given apart, beside columns" if is_id else f"there are {', '.join(mapped)}"
        yield f"{at}: is no column of {TARGETS[spec.of].a_row} that a feed can fill; {known}"
        return
    if (part.source is not None) + (part.sql is not None) + ("value" in given) != 1:
        yield f"{at}: needs one of from (a column), value (a constant) and sql"
    elif part.source is not None and part.source not in spec.columns:
        yield f"{at}: {part.source} is no column; there are {', '.join(spec.columns)}"
    elif part.source and isinstance(mapped[name], TimestampType) and spec.columns[part.source].form != "time":
        yield f"{at}: {part.source} must have the form time, or be made one with sql"
    if given & {"values", "otherwise"} and not (part.source and part.values):
        yield f"{at}: values, with otherwise or without, says what values of a column become; add from and values"
    if "value" in given and not _fits(part.value, mapped[name]):
        yield f"{at}.value: {json.dumps(part.value)} is no {mapped[name].simpleString()}"
    if part.values and isinstance(mapped[name], MapType):
        yield f"{at}.values: a value cannot become consents; use sql, such as map('profiling', agreed = 'yes')"
    column = _COLUMNS[spec.of][name]
    made = [*(part.values or {}).values(), part.otherwise, part.value if isinstance(part.value, str) else None]
    for value in made:
        if value is not None and column.allowed is not None and value not in column.allowed:
            yield f"{at}: {value} is no {name.replace('_', ' ')}; there are {', '.join(column.allowed)}"
        if value is not None and name == "currency" and not _CURRENCY.fullmatch(value):
            yield f"{at}: {value} is no currency; write it like EUR"
    is_number = isinstance(part.value, int | float) and not isinstance(part.value, bool)
    if is_number and column.low is not None and float(part.value or 0) < column.low:
        yield f"{at}.value: {json.dumps(part.value)} breaks {name} >= {column.low:g}"
    yield from of_the_moment(at, part.sql or "")


def of_the_moment(at: str, sql: str) -> Iterator[str]:
    """What makes SQL say something else each time, or speak of other rows than its own."""
    # Text in quotes says nothing, but for what makes a time of it.
    plain = _STRING.sub(lambda text: text[0] if text[0][1:-1].strip().isalpha() else "''", sql)
    found = _OF_THE_MOMENT.search(plain)
    if found and found[0].lower() == "select":
        yield f"{at}: may speak of its own row only, not SELECT from a table"
    elif found:
        yield f"{at}: {found[0]} says something else each time; the same rows must always make the same events"


def _fits(value: object, of_type: DataType) -> bool:
    match of_type:
        case BooleanType():
            return isinstance(value, bool)
        case IntegerType():
            return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31
        case NumericType():
            return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST_MONEY
        case StringType():
            return isinstance(value, str)
        case _:
            return False


def declared_feed(spec: FeedFile) -> Feed:
    """The feed of a declaration without :func:`problems`."""
    mapping = {name: _expression(part, MAPPED[spec.of][name]) for name, part in spec.mapping.items()}
    if priced := [mapping[price] for price in TARGETS[spec.of].money if price in mapping]:
        given = " OR ".join(f"{price} IS NOT NULL" for price in priced)
        mapping.setdefault("currency", f"CASE WHEN {given} THEN $currency END")
    if spec.of == "events":
        mapping.setdefault("line_kind", f"CASE WHEN {mapping['event_type']} IN ('purchase', 'return') THEN 'goods' END")
    every_column = tuple(spec.columns) if spec.of == "events" else ()  # a later version of a change differs in some
    return Feed(
        name=spec.feed,
        doc=spec.doc,
        columns=tuple(
            RawColumn(
                name,
                c.form,
                c.doc or f"{c.source or name} of the file",
                not c.optional,
                c.formats,
                c.source,
                spec.decimal_comma and c.form in {"integer", "decimal"},
            )
            for name, c in spec.columns.items()
        ),
        mapping=mapping,
        natural_key=spec.natural_key or every_column,
        repeats_are_real=spec.repeats_are_real,
        time_zone=spec.time_zone,
        currency=spec.currency,
        event_id=None if spec.event_id is None else f"nullif(trim(try_cast(({spec.event_id}) AS STRING)), '')",
        rules=(
            *_fitting(spec),
            *(
                Rule(name, rule.condition, rule.policy, rule.severity, rule.mostly, rule.owner, rule.reason)
                for name, rule in spec.rules.items()
            ),
        ),
        has_header=spec.header,
        separator=spec.separator,
        multi_line=spec.multi_line,
        explode=spec.explode,
        ignored=spec.ignore,
        definition=json.dumps(spec.model_dump(mode="json", by_alias=True, exclude_unset=True)),
        of=spec.of,
    )


def _fitting(spec: FeedFile) -> Iterator[Rule]:
    """That no value of a column is lost because its place in the row cannot hold it.

    A value that does not have its column's own form is told by the rule of that form.
    """
    for name, part in spec.mapping.items():
        if part.source is None:
            continue
        raw, form = f"raw.`{part.source}`", spec.columns[part.source].form
        kind = {"integer": "BIGINT", "decimal": "DECIMAL(18, 6)"}.get(form)
        is_told = f"try_cast({raw} AS {kind}) IS NULL" if kind else "false"
        match MAPPED[spec.of][name]:
            case MapType():
                yield from consents_are_read(raw)
            case _ if "otherwise" in part.model_fields_set:
                continue
            case BooleanType() if spec.of != "events":  # null would count as not said
                yield is_said(name, raw)
            case BooleanType() as of_type:  # null would read as false
                made = f"{raw} IS NULL OR ({_expression(part, of_type, raw)}) IS NOT NULL"
                yield Rule(f"{part.source} is true or false", made)
            case NumericType():
                yield Rule(f"{part.source} fits {name}", f"{name} IS NOT NULL OR {raw} IS NULL OR {is_told}")
            case _:
                continue


def feed_of(definition: str) -> Feed:
    """The feed of a ``Feed.definition``."""
    return replace(declared_feed(FeedFile.model_validate_json(definition)), definition=definition)


def _expression(part: EventPart, of_type: DataType, column: str | None = None) -> str:
    """SQL over the raw columns; ``column`` is how it names the one that the part speaks of."""
    kind = of_type.simpleString()
    if part.sql is not None:
        # A consent that is neither true nor false refuses its batch: it must not get lost.
        return f"{'CAST' if isinstance(of_type, MapType) else 'try_cast'}(({part.sql}) AS {kind})"
    if part.source is None:
        return f"CAST({_literal(part.value)} AS {kind})"
    column = column or f"`{part.source}`"
    if part.values is not None:
        cases = " ".join(f"WHEN {_literal(old)} THEN {_literal(new)}" for old, new in part.values.items())
        other = f"trim({column})" if "otherwise" not in part.model_fields_set else _literal(part.otherwise)
        return f"try_cast(CASE trim({column}) {cases} ELSE {other} END AS {kind})"
    if isinstance(of_type, TimestampType):
        # A time that says its zone means it; any other is the feed's.
        time = time_of(column)
        return f"CASE WHEN {column} RLIKE 'Z$' THEN {time} ELSE to_utc_timestamp({time}, $zone) END"
    if isinstance(of_type, MapType):
        return consents_of(column)
    return f"try_cast(nullif(trim({column}), '') AS {kind})"


def _literal(value: object) -> str:
    """A value as Spark SQL writes it."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return sql_text(value)
    return str(value).lower() if isinstance(value, bool) else repr(value)
