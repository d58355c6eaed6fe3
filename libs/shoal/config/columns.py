"""The columns and rules that settings name, checked against the declared tables."""

from collections.abc import Iterable, Iterator

from shoal.config.settings import Config
from shoal.config.wording import refusal
from shoal.errors import did_you_mean
from shoal.params import StrengthParams


def check_columns(config: Config) -> None:
    """Check the columns that settings name against the declared tables; needs pyspark, but starts no Spark.

    Raises:
        ConfigError: inputs that are no numeric column of ``features.users`` or are named twice, weights
            of what is no count of ``features.user_item_days``, names of rules that are taken, and conditions that
            say something else each time; all are listed.
    """
    from pyspark.sql.types import NumericType

    from shoal.tables import USER_FEATURES
    from shoal.tables.vocabulary import WEIGHTED

    numbers = [c.name for c in USER_FEATURES.columns if isinstance(c.type, NumericType)]
    numbers += [one.name for one in config.features.own]
    problems = []
    for section, entries in (("segments", config.segments), ("propensity", config.propensity)):
        for name, entry in entries.items():
            at = f"{section}.{name}.inputs"
            twice = sorted({column for column in entry.inputs if entry.inputs.count(column) > 1})
            problems += [f"{at}: {column} is named twice" for column in twice]
            problems += _no_columns(at, entry.inputs, numbers, "numeric column of features.users, nor in features.own")
    liked: dict[str, StrengthParams] = {f"recommend.{name}": entry for name, entry in config.recommend.items()}
    for section, strength in {**liked, "similar_items": config.similar_items}.items():
        at = f"{section}.weights"
        problems += _no_columns(at, strength.weights, [*WEIGHTED], "count column of features.user_item_days")
    problems += _rules(config)
    problems += _own_features(config)
    if problems:
        raise refusal(problems)


def _rules(config: Config) -> Iterator[str]:
    """What is wrong with the shop's own rules as far as it shows without Spark."""
    if not config.validation.rules:
        return
    from shoal.sources.declared import of_the_moment
    from shoal.tables import GATED

    for place, rule in enumerate(config.validation.rules):
        at = f"validate.rules[{place}]"
        if rule.name in {declared.name for declared in GATED[rule.table].row_rules}:
            yield f"{at}.name: {rule.name} is a rule of {rule.table} already; choose another"
        yield from of_the_moment(f"{at}.condition", rule.condition or "")


def _own_features(config: Config) -> Iterator[str]:
    """What is wrong with the shop's own features as far as it shows without Spark."""
    if not config.features.own:
        return
    from shoal.sources.declared import of_the_moment
    from shoal.tables import USER_FEATURES
    from shoal.tables.user_features import FEATURES

    for place, one in enumerate(config.features.own):
        at = f"features.own[{place}]"
        if one.name in {*FEATURES, *USER_FEATURES.names}:
            yield f"{at}.name: {one.name} is a feature already; choose another"
        yield from of_the_moment(f"{at}.sql", one.sql)


def _no_columns(at: str, names: Iterable[str], known: list[str], kind: str) -> list[str]:
    return [f"{at}: {name} is no {kind}{did_you_mean(name, known)}" for name in names if name not in known]
