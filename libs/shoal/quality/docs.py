"""Great Expectations' Data Docs of verdicts that were kept: nothing is judged again, no page needs a network.

Its own renderers and templates make the content. Only the frame of a page is Shoal's: theirs loads styles and
scripts from half a dozen hosts.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from great_expectations.core.expectation_validation_result import (
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
)
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, DictLoader

from shoal.quality.gate import FARTHEST, Verdict

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1d2733; margin: 0; }
header { background: #12344d; color: #fff; padding: .7rem 1.5rem; }
header a { color: #fff; }
main { display: flex; gap: 2rem; padding: 1rem 1.5rem; align-items: flex-start; }
aside { flex: 0 0 15rem; position: sticky; top: 1rem; max-height: 95vh; overflow: auto; font-size: 13px; }
aside ul { list-style: none; padding: 0; margin: 0; }
article { flex: 1; min-width: 0; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem; }
td, th { border-bottom: 1px solid #d5dde4; padding: .3rem .6rem; text-align: left; vertical-align: top; }
h5, h6 { margin: .8rem 0 .2rem; font-size: 1.05rem; }
h6 { font-size: .95rem; }
p { margin: .2rem 0; }
a { color: #0b61a4; }
.alert { background: #eef3f7; padding: .4rem .8rem; border-radius: 4px; }
.text-success { color: #17803d; }
.text-danger { color: #c0242b; }
.text-warning { color: #a86200; }
.badge { background: #eef3f7; border-radius: 3px; padding: 0 .3rem; }
.fa-check-circle::before { content: "\\2714"; }
.fa-times::before { content: "\\2718"; }
.fa-exclamation-triangle::before { content: "\\26A0"; }
i { font-style: normal; }
a[data-toggle="collapse"] { display: none; }
@media (prefers-color-scheme: dark) {
  body { background: #10161c; color: #dde5ec; }
  a { color: #7fc1f5; }
  .alert, .badge { background: #1d2833; }
  td, th { border-color: #33414e; }
}
"""
_HEAD = (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
    f"<style>{_STYLE.replace('{', '{{').replace('}', '}}')}</style></head>"
)
_PAGE = (
    _HEAD.format(title="{{ page_title | e }}")
    + """<body>
<header><a href="index.html">All results</a> / {{ page_title | e }}</header>
<main><aside><ul>{% for section in sections %}
  <li><a href="#section-{{ loop.index }}">{{ section["section_name"] }}</a></li>{% endfor %}
</ul></aside>
<article>{% for section in sections %}{% set section_loop = loop %}{% include 'section.j2' %}{% endfor %}</article>
</main></body></html>
"""
)


_UNKNOWN = "expect_column_values_to_be_in_set"  # what most are, for those of which no more than the name was kept


@dataclass(frozen=True)
class Judgement:
    """What was found about one table of one batch or run."""

    table_name: str
    subject: str  # the batch or the run
    at: datetime | None  # when it was planned or begun
    columns: frozenset[str]  # of the table; what is judged beside them has only a helper's name
    verdicts: Sequence[Verdict]

    @property
    def file_name(self) -> str:
        """Of its page."""
        return re.sub(r"[^A-Za-z0-9._-]", "_", f"{self.subject}.{self.table_name}.html")

    @property
    def broken(self) -> list[Verdict]:
        """What did not hold."""
        return [verdict for verdict in self.verdicts if not verdict.success]


def pages(judgements: Sequence[Judgement]) -> Iterator[tuple[str, str]]:
    """The pages of a site, as (file name, HTML): ``index.html`` first, then one for each judgement."""
    yield "index.html", _index(judgements)
    view: Any = DefaultJinjaPageView()
    view.env.loader = ChoiceLoader([DictLoader({"page.j2": _PAGE}), view.env.loader])
    for judgement in judgements:
        document = ValidationResultsPageRenderer(run_info_at_end=True).render(_result(judgement))
        document.page_title = f"{judgement.table_name} of {judgement.subject}"
        html = view.render(document)
        # Its suites have no pages of their own.
        yield judgement.file_name, re.sub(r'<a [^>]*href="[^"]*expectations/[^"]*"[^>]*>(.*?)</a>', r"\1", html)


def _result(judgement: Judgement) -> ExpectationSuiteValidationResult:
    """The result as Great Expectations gave it, from what was kept of it."""
    results = [_outcome(verdict, judgement.columns) for verdict in judgement.verdicts]
    good = sum(bool(result.success) for result in results)
    begun = judgement.at.astimezone(UTC).isoformat() if judgement.at else ""
    return ExpectationSuiteValidationResult(
        success=good == len(results),
        results=results,
        suite_name=judgement.table_name,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": good,
            "unsuccessful_expectations": len(results) - good,
            "success_percent": 100 * good / len(results) if results else None,
        },
        meta={
            "run_id": {"run_name": judgement.subject, "run_time": begun},
            "batch_spec": {"data_asset_name": judgement.table_name},
        },
    )


def _outcome(verdict: Verdict, columns: frozenset[str]) -> ExpectationValidationResult:
    kind, arguments = _UNKNOWN, {"column": verdict.name, "value_set": [True]}
    if verdict.expectation is not None:
        kind, arguments = verdict.expectation, json.loads(verdict.arguments or "{}")
    was_answered = arguments.pop(FARTHEST, None) is not None
    if "column" in arguments and arguments["column"] not in columns:
        arguments["column"] = _plain(verdict.name)
    more = [verdict.observed] if was_answered and verdict.observed else []
    said = _plain("; ".join([*_notes(verdict), *more]))
    config = ExpectationConfiguration(
        type=kind, kwargs=arguments, severity=FailureSeverity(verdict.severity), description=said
    )
    return ExpectationValidationResult(
        success=verdict.success, expectation_config=config, result=_numbers(verdict), exception_info={}
    )


def _notes(verdict: Verdict) -> Iterator[str]:
    """What people want to know beside the expectation's own words."""
    yield verdict.name
    yield f"{verdict.severity}, policy {verdict.policy or 'not kept'}"
    if verdict.reason:
        yield f"because {verdict.reason}"
    if verdict.owner:
        yield f"ask {verdict.owner}"


def _numbers(verdict: Verdict) -> dict[str, Any]:
    """The result in its own form."""
    if verdict.rows is None or verdict.failures is None:
        return {"observed_value": _plain(verdict.observed or "")}
    share = 100 * verdict.failures / verdict.rows if verdict.rows else 0.0
    counts = {"element_count": verdict.rows, "unexpected_count": verdict.failures, "missing_count": 0}
    shares = {"unexpected_percent": share, "unexpected_percent_nonmissing": share, "missing_percent": 0.0}
    return {**counts, **shares, "partial_unexpected_list": []}


def _plain(text: str) -> str:
    """Text that their templates take as it is: they neither escape HTML nor leave a dollar alone."""
    return escape(text).replace("$", "&#36;")


def _index(judgements: Sequence[Judgement]) -> str:
    rows = [
        f"<tr><td>{_day(one.at)}</td><td>{escape(one.table_name)}</td>"
        f'<td><a href="{escape(one.file_name)}">{escape(one.subject)}</a></td>'
        f"<td>{_sign(one)}</td><td>{escape('; '.join(verdict.name for verdict in one.broken))}</td></tr>"
        for one in judgements
    ]
    return (
        _HEAD.format(title="Data Docs")
        + "<body><header>What was judged, newest first</header><main><article><table><thead><tr><th>when, UTC</th>"
        + "<th>table</th><th>batch or run</th><th></th><th>what did not hold</th></tr></thead><tbody>\n"
        + "\n".join(rows)
        + "\n</tbody></table></article></main></body></html>\n"
    )


def _day(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" if at else ""


def _sign(judgement: Judgement) -> str:
    if any(verdict.stops for verdict in judgement.verdicts):
        return '<i class="fas fa-times text-danger"></i> refused'
    if judgement.broken:
        return '<i class="fas fa-exclamation-triangle text-warning"></i> with warnings'
    return '<i class="fas fa-check-circle text-success"></i>'
