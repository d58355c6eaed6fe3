"""Judge a whole batch with Great Expectations before silver changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import great_expectations as gx
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.data_context.types.base import ProgressBarsConfig
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.errors import ShoalError, bulleted
from shoal.quality.suites import helper_columns, labels_of, suite_of
from shoal.tables import Rule, Table

# A share of fewer values is chance: one bad rating among the five of a quiet day is not a broken feed.
FEW = 100

# Counts without examples: an example would be a further scan per expectation, and may be personal.
_COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}


@dataclass(frozen=True)
class Verdict:
    """A row of ``ops.quality`` without its batch."""

    kind: Literal["expectation", "rule"]
    name: str
    severity: str  # critical stops the batch, warning is said, info is kept
    success: bool
    rows: int | None  # rows that it speaks of; None where it is not about rows
    failures: int | None  # of them, those that broke it
    observed: str | None  # what was found and what is allowed, in words; None for a rule


def judge(judged: DataFrame, table: Table, *, rules: Sequence[Rule], max_rejected_share: float) -> list[Verdict]:
    """Whether a batch may enter ``table``.

    Each rule is judged on all rows that it speaks of, the key on accepted rows only. A rule that a larger
    share breaks than may be rejected stops the batch, even where few rows have the value: a feed that gets
    all its returns wrong has few rejected rows. Of fewer than ``FEW`` values it only warns, unless the broken
    ones are too large a share of all rows too.

    Args:
        judged: every distinct candidate row of the batch, good or bad, of each event its winning version: the
            table's columns and ``reasons`` (of :func:`shoal.quality.rows.reasons`). Read several times, so
            persist it.
        table: what the rows want to enter.
        rules: the rules that ``reasons`` was built from: the table's, and the feed's own.
        max_rejected_share: the share of rejected rows above which a batch stops.

    Returns:
        One verdict per expectation, then one per row rule, with its exact number of failures.

    Raises:
        ShoalError: Great Expectations could not judge, which says nothing about the data.
    """
    extra = [rule for rule in rules if rule not in table.row_rules]
    suite = suite_of(table, tolerance=max_rejected_share, extra=extra)
    helpers = [F.expr(condition).alias(name) for name, condition in helper_columns(table, extra).items()]
    rows, failures = _counts(judged, rules)
    outcomes = _validate(judged.select(*table.names, *helpers), suite)
    return [
        *(_verdict(outcome, rows) for outcome in outcomes),
        *_of_rules(rules, rows, failures),
    ]


def count_rules(judged: DataFrame, rules: Sequence[Rule]) -> list[Verdict]:
    """One verdict per row rule, without a gate: of rows that are judged again, after their batch has passed.

    Args:
        judged: rows with ``reasons``.
        rules: the rules that ``reasons`` was built from.
    """
    return _of_rules(rules, *_counts(judged, rules))


def _of_rules(rules: Sequence[Rule], rows: int, failures: Sequence[int]) -> list[Verdict]:
    return [
        Verdict("rule", rule.name, "info", broken == 0, rows, broken, None)
        for rule, broken in zip(rules, failures, strict=True)
    ]


def refusal(verdicts: Sequence[Verdict]) -> str | None:
    """Why the batch must not enter, what broke most of its rows and what to do; None if it may enter."""
    expectations = [v for v in verdicts if v.kind == "expectation"]
    broken = [v for v in expectations if v.severity == "critical" and not v.success]
    if not broken:
        return None
    lines = [
        bulleted(f"{len(broken)} of {len(expectations)} expectations do not hold:", map(_said, broken)),
        "silver has not changed; mend the export or the feed's mapping and run again",
    ]
    causes = sorted((-v.failures, v.name) for v in verdicts if v.kind == "rule" and v.failures)
    if causes:
        most = ", ".join(f"{name} ({-failures:,})" for failures, name in causes[:3])
        lines.insert(1, f"rows were rejected most often by: {most}")
        lines.append(
            "if these rows are rightly rejected and the others are wanted, raise validate.max_rejected_share "
            "and pass --retry-refused"
        )
    return "\n".join(lines)


def warnings(verdicts: Sequence[Verdict]) -> list[str]:
    """One sentence per broken expectation that does not stop the batch."""
    return [_said(v) for v in verdicts if v.severity == "warning" and not v.success]


def _said(verdict: Verdict) -> str:
    return f"{verdict.name}: {verdict.observed}"


def _counts(judged: DataFrame, rules: Sequence[Rule]) -> tuple[int, list[int]]:
    """Number of rows, and of rows that break each rule, in one pass."""
    broken = [F.count_if(F.array_contains("reasons", rule.name)) for rule in rules]
    counted = judged.agg(F.count(F.lit(1)), *broken).first()
    assert counted is not None, "an aggregate has one row"
    rows, *failures = counted
    return rows, failures


def _validate(batch: DataFrame, suite: gx.ExpectationSuite) -> list[ExpectationValidationResult]:
    """Run the suite once, in memory: no files, no network, no copy of the batch, the Spark session as it is.

    Raises:
        ShoalError: an expectation could not be evaluated.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    spark = context.data_sources.add_spark("spark", persist=False)  # what it persists it never lets go
    definition = spark.add_dataframe_asset(suite.name).add_batch_definition_whole_dataframe("batch")
    outcomes = definition.get_batch({"dataframe": batch}).validate(suite, result_format=_COUNTS_ONLY).results
    # It catches everything and calls it a failed expectation: a lost executor would read as bad data.
    raised = [(labels_of(o).name, _raised(o.exception_info)) for o in outcomes]
    problems = [f"{name}: {text}" for name, text in raised if text is not None]
    if problems:
        raise ShoalError(bulleted(f"Great Expectations could not judge {suite.name}:", problems))
    return [*outcomes]


def _raised(info: Mapping[str, Any] | None) -> str | None:
    """The first line of what was raised; ``info`` is one record, or one for each metric that was needed."""
    records = [info] if info and "raised_exception" in info else [*(info or {}).values()]
    texts = [str(record["exception_message"]).strip() for record in records if record["raised_exception"]]
    return next(((text.splitlines() or ["no message"])[0] for text in texts), None)


def _verdict(outcome: ExpectationValidationResult, rows: int) -> Verdict:
    labels, found, success = labels_of(outcome), outcome.result, bool(outcome.success)
    if "element_count" not in found:
        observed = f"{found['observed_value']:,} rows"
        return Verdict("expectation", labels.name, labels.severity, success, None, None, observed)
    failures = found["unexpected_count"] or 0  # null for a batch without rows
    values = found["element_count"] - (found.get("missing_count") or 0)
    by_chance = not success and values < FEW and (rows - failures) / rows >= labels.mostly
    severity = "warning" if by_chance else labels.severity
    allowed = "none" if labels.mostly == 1 else f"at most {_percent(1 - labels.mostly)}"
    share = _percent(failures / values) if values else "0 %"
    observed = f"broken by {failures:,} of {values:,} rows ({share}); {allowed} may"
    return Verdict("expectation", labels.name, severity, success, values, failures, observed)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
