"""How raw data comes in and is judged."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from shoal.errors import did_you_mean
from shoal.params.base import Params


class Input(Params):
    """One feed and where its files lie."""

    feed: str = Field(
        min_length=1, description="name of a feed, as `shoal feed list` shows them, or a file that declares one"
    )
    path: str = Field(min_length=1, description="file, glob, folder or Delta table")


class IngestParams(Params):
    """What is read on every run."""

    inputs: tuple[Input, ...] = Field(strict=False, description="feeds read by every run, beside --feed")
    changed_files: Literal["ingest", "warn", "refuse"] = Field(
        description="files that hold something else than when they were ingested"
    )
    max_files: int = Field(ge=1, description="files that a stream brings in as one batch, at most")


_LONGEST = 366  # days of one event of the calendar: more is a slip of the year


def _day(value: Any) -> Any:
    """A day as YAML reads it, or as text, where quotes or JSON make it text."""
    if isinstance(value, str) and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"is no day: {value}") from error
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError(f"must be a day such as 2025-11-28, got {value}")
    return value


Day = Annotated[date, BeforeValidator(_day)]


# Tables with a gate that a rule can hang on, as ``shoal.tables.GATED``, which needs pyspark.
_GATED = ("silver.events", "features.users", "gold.segments", "gold.segment_profiles", "gold.propensities",
          "gold.recommendations", "gold.recommendations_by_segment", "gold.similar_items", "gold.bought_together",
          "gold.users")  # fmt: skip


class RuleParams(Params):
    """A rule of the shop's own. It is an item of a list, so what is left out has its default here."""

    table: str = Field("silver.events", description="table whose rows it judges")
    name: str = Field(min_length=1, description="what people read where it is broken")
    condition: str | None = Field(None, min_length=1, description="Spark SQL over the row; null counts as kept")
    expectation: str | None = Field(None, min_length=1, description="an expectation of Great Expectations instead")
    arguments: dict[str, Any] = Field({}, description="what the expectation is given")
    policy: Literal["quarantine", "warn", "stop", "record"] = Field(
        "quarantine", description="quarantine rejects rows; warn, stop and record look at the share that keeps it"
    )
    severity: Literal["critical", "warning", "info"] | None = Field(
        None, description="how bad it is; null follows from the policy"
    )
    mostly: float | None = Field(None, gt=0, le=1, description="share of the rows that must keep it")
    owner: str = Field("", description="who is asked about it")
    reason: str = Field("", description="why it must hold")

    @model_validator(mode="after")
    def _whole(self) -> "RuleParams":
        if problems := [*self._problems()]:
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        if self.table not in _GATED:
            yield f"table {self.table} has no gate{did_you_mean(self.table, _GATED)}"
        if (self.condition is None) == (self.expectation is None):
            yield f"{self.name!r} needs either condition (SQL) or expectation (of Great Expectations)"
        if self.arguments and self.expectation is None:
            yield "arguments belong to an expectation"
        if self.policy == "quarantine" and self.expectation is not None:
            yield (
                "policy must be warn, stop or record for an expectation: Great Expectations cannot tell good rows from "
                "bad, so it cannot reject any; write a condition for that"
            )
        elif self.policy == "quarantine" and self.table != "silver.events":
            yield f"policy must be warn, stop or record for {self.table}: only rows of silver.events can be rejected"

    @model_serializer(mode="wrap")
    def _said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only what was said: a list of rules is read by people, and a new key changes no hash."""
        whole: dict[str, Any] = handler(self)
        return {name: value for name, value in whole.items() if name in self.model_fields_set}


class KnownEvent(Params):
    """Days on which a shop is as it never is: neither judged nor learned from. An item of a list, as a rule is."""

    name: str = Field(min_length=1, description="what it is, for people")
    first: Day = Field(alias="from", description="its first day, the shop's")
    last: Day | None = Field(None, alias="to", description="its last day; null: the first is the only one")

    @model_validator(mode="after")
    def _in_order(self) -> "KnownEvent":
        if self.last is not None and self.last < self.first:
            raise ValueError(f"to must not lie before from ({self.first}), got {self.last}")
        if self.last is not None and (self.last - self.first).days > _LONGEST:
            raise ValueError(f"to must lie within {_LONGEST} days of from, got {self.last}")
        return self

    @property
    def days(self) -> list[date]:
        """Every day of it."""
        last = self.last or self.first
        return [self.first + timedelta(days=number) for number in range((last - self.first).days + 1)]

    @model_serializer(mode="wrap")
    def _said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only what was said, as of a rule."""
        whole: dict[str, Any] = handler(self)
        return {name: value for name, value in whole.items() if value is not None}


class ValidateParams(Params):
    """When a batch is refused, what of it is said to be odd, and the shop's own rules."""

    max_rejected_share: float = Field(ge=0, le=1, description="share of rejected rows above which a batch stops")
    duplicate_lines: Literal["keep", "drop"] = Field(description="identical lines of one order")
    unknown_items: Literal["keep", "reject"] = Field(description="events of goods that no item feed has told of")
    min_volume_share: float = Field(
        ge=0, le=1, description="share of its usual events below which yesterday's export is stopped; 0 never does"
    )
    band_width: float = Field(gt=0, le=100, description="of what is usual to either side, in robust deviations")
    calendar: tuple[KnownEvent, ...] = Field(
        strict=False, description="days that are neither judged by what is usual nor learned from"
    )
    rules: tuple[RuleParams, ...] = Field(strict=False, description="rules of the shop's own")

    @field_validator("rules")
    @classmethod
    def _names(cls, rules: tuple[RuleParams, ...]) -> tuple[RuleParams, ...]:
        times = Counter((rule.table, rule.name) for rule in rules)
        if twice := [name for (_, name), number in times.items() if number > 1]:
            raise ValueError(f"two rules of one table are named {', '.join(map(repr, twice))}")
        return rules
