"""The shop's own rules, `validate.rules` of the settings: whether they can be used, and as what they are judged."""

import re
from collections.abc import Iterator, Sequence

from pyspark.sql import SparkSession

from shoal.books.feeds import wrong_conditions
from shoal.config import Config
from shoal.config.wording import refusal
from shoal.errors import ConfigError, ShoalError, bulleted
from shoal.frames import few_rows
from shoal.params import RuleParams
from shoal.quality.known import Expected
from shoal.sources import Feed
from shoal.sources.mapping import Shop, row_rules
from shoal.tables import GATED, Rule, Table


def rules_of(config: Config, table: Table) -> list[Rule]:
    """The rules in SQL that the shop has for a table."""
    return [
        Rule(one.name, one.condition, one.policy, one.severity, one.mostly, one.owner, one.reason)
        for one in config.validation.rules
        if one.table == table.name and one.condition is not None
    ]


def expected_of(config: Config, table: Table) -> list[Expected]:
    """The expectations by name that the shop has for a table."""
    given = (one for one in config.validation.rules if one.table == table.name)
    return [_expected(one) for one in given if one.expectation is not None]


def of_batch(config: Config, feed: Feed, shop: Shop, more: Sequence[Rule] = ()) -> list[Rule]:
    """Every rule that a batch of a feed is judged by: the table's, the feed's own, the shop's, and ``more``.

    Raises:
        ConfigError: rules of the feed and of the shop have the same name.
    """
    of_feed, of_shop = [*row_rules(feed, shop), *more], rules_of(config, feed.target.table)
    taken = {rule.name for rule in of_feed}
    twice = [rule.name for rule in of_shop if rule.name in taken]
    if twice:
        said = (f"{name}: the feed {feed.name} has a rule of that name too; choose another" for name in twice)
        raise ConfigError(bulleted("cannot use validate.rules:", said))
    return [*of_feed, *of_shop]


def check(spark: SparkSession, config: Config) -> None:
    """Refuse rules that cannot be judged, before any work: no row is read, and nothing is done where there are none.

    Raises:
        ConfigError: SQL that cannot be used, expectations that do not exist or cannot be judged with these arguments,
            and names that are taken; all of them.
    """
    problems = [*_problems(spark, config.validation.rules)]
    if problems:
        raise refusal(problems)


def _problems(spark: SparkSession, given: Sequence[RuleParams]) -> Iterator[str]:
    if not given:
        return
    from shoal.quality import gate, named  # heavy, and only who has rules of their own needs it here
    from shoal.quality.suites import names_in

    for place, one in enumerate(given):
        at, table = f"validate.rules[{place}]", GATED[one.table]
        if one.name in names_in(table):
            yield f"{at}.name: {one.name} is a rule of {table.name} already; choose another"
        rows = few_rows(spark, table.schema, [])
        if one.condition is not None:
            yield from wrong_conditions(rows, {f"{at}.condition": one.condition})
            continue
        expected, columns = _expected(one), {c.name: c.type.simpleString() for c in table.columns}
        found = [*named.problems(expected, columns)]
        yield from (f"{at}.{problem}" for problem in found)
        if found:
            continue
        try:  # what only shows when it is judged, such as an expectation that Spark cannot judge
            gate.judge_expected(rows, table, [expected])
        except ShoalError as error:
            if said := re.search(r"(?i)no provider found|does not exist|not supported|could not be parsed", str(error)):
                yield f"{at}.expectation: {expected.expectation} cannot be judged here ({said[0].lower()})"


def _expected(one: RuleParams) -> Expected:
    assert one.expectation is not None, "a rule without a condition names an expectation"
    return Expected(
        one.name, one.expectation, one.arguments, one.policy, one.severity, one.mostly, one.owner, one.reason
    )
