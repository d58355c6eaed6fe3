"""Judge rows with Great Expectations at each boundary: a batch before it enters silver, a run before it is released."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Literal

import great_expectations as gx
import pandas as pd
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation import Expectation
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.errors import ShoalError, bulleted
from shoal.frames import persisted
from shoal.quality.known import NEARLY_EMPTY, Expected
from shoal.quality.named import expectation_of
from shoal.quality.rows import others_of
from shoal.quality.suites import Labels, helper_columns, kept_by, labels_of, suite_named, suite_of
from shoal.quality.usual import Question
from shoal.tables import Policy, Rule, Table

# A share of fewer values is chance: one bad rating among the five of a quiet day is not a broken feed.
FEW = 100

# Counts without examples: an example would be a further scan per expectation, and may be personal.
_COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}
_UNSAID = {"result_format", "severity", "catch_exceptions", "batch_id"}  # of an expectation's arguments
FARTHEST = "farthest"  # beside the arguments of what judges days: the day that is farthest from usual, and its band
_LONGEST = 200  # characters of a value that was observed


@dataclass(frozen=True)
class Verdict:
    """A row of ``ops.quality`` without its batch or run."""

    kind: Literal["expectation", "rule"]
    name: str
    severity: str
    success: bool
    rows: int | None  # rows that it speaks of; None where it is not about rows
    failures: int | None  # of them, those that broke it
    observed: str | None  # what was found and what is allowed, in words; None for a rule
    table_name: str | None = None
    policy: Policy | None = None  # None: judged before schema version 4
    mostly: float | None = None
    owner: str | None = None
    reason: str | None = None
    expectation: str | None = None  # its type; None for a rule
    arguments: str | None = None  # as JSON

    @property
    def stops(self) -> bool:
        """Whether the rows must not go on."""
        stopping = self.severity == "critical" if self.policy is None else self.policy in ("quarantine", "stop")
        return self.kind == "expectation" and not self.success and stopping

    @property
    def rejected(self) -> int:
        """How many rows a rule has rejected; 0 for what rejects none."""
        rejects = self.kind == "rule" and self.policy in (None, "quarantine")
        return (self.failures or 0) if rejects else 0

    @property
    def warns(self) -> bool:
        """Whether the rows go on and a person is told."""
        warning = self.severity == "warning" if self.policy is None else self.policy == "warn"
        return self.kind == "expectation" and not self.success and warning


def judge(
    judged: DataFrame, table: Table, *, rules: Sequence[Rule], max_rejected_share: float,
    expected: Sequence[Expected] = (),
) -> list[Verdict]:  # fmt: skip
    """Whether a batch may enter ``table``.

    Each rule that rejects is judged on all rows that it speaks of, the key and every other rule and expectation on
    accepted rows only. A rule that a larger share breaks than may be rejected stops the batch, even where few rows
    have the value: a feed that gets all its returns wrong has few rejected rows. Of fewer than ``FEW`` values it
    only warns, unless the broken ones are too large a share of all rows too.

    Args:
        judged: every distinct candidate row of the batch, good or bad, of each event its winning version: the
            table's columns and what :func:`shoal.quality.rows.judged_by` has added. Read several times, so
            persist it.
        table: what the rows want to enter.
        rules: the rules that the rows were judged by: the table's, the feed's own and the shop's.
        max_rejected_share: the share of rejected rows above which a batch stops.
        expected: further expectations.

    Returns:
        One verdict per expectation, then one per row rule, with its exact number of failures.

    Raises:
        ShoalError: Great Expectations could not judge, which says nothing about the data.
    """
    extra = [rule for rule in rules if rule not in table.row_rules]
    suite = suite_of(table, tolerance=max_rejected_share, extra=extra)
    helpers = [F.expr(condition).alias(name) for name, condition in helper_columns(table, extra).items()]
    rows, counts = _counts(judged, rules)
    outcomes = _validate(judged.select(*table.names, *helpers), suite)
    accepted = judged.where(F.size("reasons") == 0).select(*table.names)
    return [
        *(_verdict(outcome, rows) for outcome in outcomes),
        *judge_expected(accepted, table, expected),
        *_of_rules(rules, table, counts),
    ]


@dataclass(frozen=True)
class Part:
    """Rows of one table, and what they must keep together: none of them is rejected alone.

    What one column must keep is enforced by the constraints of its table and not judged again.
    """

    table: Table
    rows: DataFrame  # of the table, and any column that the rules speak of
    rules: Sequence[Rule]  # of any policy but quarantine; their conditions may hold windows
    expected: Sequence[Expected] = ()  # of the columns below, or of the number of rows where there is but one part
    columns: Mapping[str, str] = field(default_factory=dict)  # SQL by name; each name in one part only


def judge_parts(name: str, parts: Sequence[Part]) -> list[Verdict]:
    """Whether rows may leave the stage that made them.

    What each row says to each rule is computed once and kept while it is judged, for all tables together: Great
    Expectations asks several questions one after the other, however little there is to judge.

    Args:
        name: what is judged.

    Returns:
        One verdict per rule and expectation.

    Raises:
        ShoalError: as for :func:`judge`.
    """
    expectations, frames = list[Expectation](), list[DataFrame]()
    for number, part in enumerate(parts):
        kept = kept_by(part.table, part.rules, f"check_{number}_")
        columns = [*part.columns.items(), *((column, condition) for column, condition, _ in kept)]
        frames.append(part.rows.select(*(F.expr(condition).alias(column) for column, condition in columns)))
        expectations += [expectation_of(part.table, one) for one in part.expected]
        expectations += [expectation for _, _, expectation in kept]
    together = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), frames)
    with persisted(together):
        return [_verdict(outcome, 0) for outcome in _validate(together, suite_named(name, expectations))]


def judge_expected(rows: DataFrame, table: Table, expected: Sequence[Expected]) -> list[Verdict]:
    """Whether rows of a table are as expected; nothing is read where nothing is.

    Raises:
        ShoalError: as for :func:`judge`.
    """
    if not expected:
        return []
    suite = suite_named(table.name, [expectation_of(table, one) for one in expected])
    return [_verdict(outcome, 0) for outcome in _validate(rows, suite)]


def judge_few(table: Table, questions: Sequence[Question]) -> list[Verdict]:
    """Whether a few values that were computed are as expected, without a job of Spark's.

    Args:
        table: whose rows the values sum up.
        questions: each with a column of its own; nothing is judged where there are none.

    Returns:
        One verdict per question, with its answer, and the value that is farthest off beside the arguments.

    Raises:
        ShoalError: as for :func:`judge`.
    """
    if not questions:
        return []
    values = pd.DataFrame({question.column: pd.Series(question.values, dtype="float64") for question in questions})
    suite = suite_named(f"days of {table.name}", [expectation_of(table, one.expected) for one in questions])
    verdicts = {outcome.name: outcome for outcome in (_verdict(each, 0) for each in _validate(values, suite))}
    return [_answered(verdicts[question.expected.name], question) for question in questions]


def _answered(verdict: Verdict, question: Question) -> Verdict:
    arguments = {**json.loads(verdict.arguments or "{}"), FARTHEST: question.farthest}
    return replace(verdict, observed=question.answer, arguments=json.dumps(arguments, ensure_ascii=False))


def count_rules(judged: DataFrame, table: Table, rules: Sequence[Rule]) -> list[Verdict]:
    """One verdict per row rule, without a gate: of rows that are judged again, after their batch has passed.

    Args:
        judged: rows with what :func:`shoal.quality.rows.judged_by` has added.
        table: what the rows want to enter.
        rules: the rules that they were judged by.
    """
    return _of_rules(rules, table, _counts(judged, rules)[1])


def _of_rules(rules: Sequence[Rule], table: Table, counts: Mapping[str, tuple[int, int]]) -> list[Verdict]:
    return [
        Verdict(
            "rule", rule.name, "info", counts[rule.name][1] == 0, *counts[rule.name], None,
            **_said_by(Labels.of(table, rule)), arguments=json.dumps({"condition": rule.condition}),
        )
        for rule in rules
    ]  # fmt: skip


def _said_by(labels: Labels) -> dict[str, Any]:
    return {
        "table_name": labels.table,
        "policy": labels.policy,
        "owner": labels.owner or None,
        "reason": labels.reason or None,
    }


def refusal(verdicts: Sequence[Verdict]) -> str | None:
    """Why the batch must not enter, what broke most of its rows and what to do; None if it may enter."""
    expectations = [v for v in verdicts if v.kind == "expectation"]
    broken = [v for v in expectations if v.stops]
    if not broken:
        return None
    lines = [
        bulleted(f"{len(broken)} of {len(expectations)} expectations do not hold:", map(_said, broken)),
        "silver has not changed; mend the export or the feed's mapping and run again",
    ]
    causes = sorted((-v.rejected, v.name) for v in verdicts if v.rejected)
    if causes and any(v.name != NEARLY_EMPTY for v in broken):
        most = ", ".join(f"{name} ({-failures:,})" for failures, name in causes[:3])
        lines.insert(1, f"rows were rejected most often by: {most}")
        lines.append(
            "if these rows are rightly rejected and the others are wanted, raise validate.max_rejected_share "
            "and pass --retry-refused"
        )
    else:
        lines.append("if a rule asks too much, mend it and pass --retry-refused")
    return "\n".join(lines)


def refusal_of_run(verdicts: Sequence[Verdict]) -> str | None:
    """Why a run must not be released; None if it may."""
    broken = [v for v in verdicts if v.stops]
    if not broken:
        return None
    said = [f"{v.table_name}: {_said(v)}" for v in broken]
    return bulleted(f"{len(broken)} of {len(verdicts)} expectations of the run do not hold:", said)


def warnings(verdicts: Sequence[Verdict]) -> list[str]:
    """One sentence per broken expectation of the policy warn."""
    return [_said(v) for v in verdicts if v.warns]


def _said(verdict: Verdict) -> str:
    more = [f"because {verdict.reason}"] if verdict.reason else []
    more += [f"ask {verdict.owner}"] if verdict.owner else []
    return f"{verdict.name}: {verdict.observed}" + (f" ({'; '.join(more)})" if more else "")


def _counts(judged: DataFrame, rules: Sequence[Rule]) -> tuple[int, dict[str, tuple[int, int]]]:
    """Number of rows, and by rule of the rows that it speaks of and of those that break it, in one pass."""
    rejecting, others = [rule for rule in rules if rule.rejects], others_of(rules)
    sums = [F.count_if(F.array_contains("reasons", rule.name)) for rule in rejecting]
    for place in range(len(others)):
        outcome = F.when(F.size("reasons") == 0, F.col("outcomes")[place])
        sums += [F.count(outcome), F.count_if(~outcome)]
    counted = judged.agg(F.count(F.lit(1)), *sums).first()
    assert counted is not None, "an aggregate has one row"
    rows, found = counted[0], iter(counted[1:])
    counts = {rule.name: (rows, next(found)) for rule in rejecting}
    return rows, counts | {rule.name: (next(found), next(found)) for rule in others}


def _validate(batch: DataFrame | pd.DataFrame, suite: gx.ExpectationSuite) -> list[ExpectationValidationResult]:
    """Run the suite once, in memory: no files, no network, no copy of the batch, the Spark session as it is.

    Raises:
        ShoalError: an expectation could not be evaluated.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source: Any
    if isinstance(batch, pd.DataFrame):
        source = context.data_sources.add_pandas("pandas")
    else:
        source = context.data_sources.add_spark("spark", persist=False)  # what it persists it never lets go
    definition = source.add_dataframe_asset(suite.name).add_batch_definition_whole_dataframe("batch")
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
    """What was found.

    Args:
        rows: of the batch, for rules that hold up to what the settings tolerate; 0 where there are none such.
    """
    labels, found, success = labels_of(outcome), outcome.result, bool(outcome.success)
    config = outcome.expectation_config
    assert config is not None, "a result carries its expectation"
    given = {name: value for name, value in config.kwargs.items() if name not in _UNSAID}
    verdict = Verdict(
        "expectation", labels.name, labels.severity, success, None, None, None, **_said_by(labels),
        expectation=config.type, arguments=json.dumps(given, default=str, ensure_ascii=False),
    )  # fmt: skip
    if "element_count" not in found:
        return replace(verdict, observed=_observed(config.type, given, found.get("observed_value")))
    mostly = float(given.get("mostly", 1.0))
    failures = found["unexpected_count"] or 0  # null for a batch without rows
    values = found["element_count"] - (found.get("missing_count") or 0)
    by_chance = (
        labels.policy == "quarantine" and not success and values < FEW and (rows - failures) / rows >= mostly
    )  # fmt: skip
    allowed = "none" if mostly == 1 else f"at most {_percent(1 - mostly)}"
    share = _percent(failures / values) if values else "0 %"
    observed = f"broken by {failures:,} of {values:,} rows ({share}); {allowed} may"
    verdict = replace(verdict, rows=values, failures=failures, mostly=mostly, observed=observed)
    return replace(verdict, severity="warning", policy="warn") if by_chance else verdict


def _observed(kind: str, arguments: Mapping[str, Any], value: Any) -> str:
    """What was found that is no count of rows, and what is allowed."""
    limits = [f"at least {_short(arguments['min_value'])}"] if arguments.get("min_value") is not None else []
    limits += [f"at most {_short(arguments['max_value'])}"] if arguments.get("max_value") is not None else []
    if kind.startswith("expect_table_row_count"):
        wanted = f", {_short(arguments['value'])} expected" if "value" in arguments else ""
        return f"{value:,} rows{wanted}"
    return f"found {_short(value)}" + (f"; {' and '.join(limits)} is allowed" if limits else "")


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = "nothing" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
