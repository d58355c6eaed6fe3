"""The shop's own features, ``features.own`` of the settings: as they are computed, and whether they can be."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from functools import partial
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType

from shoal.config import Config
from shoal.config.wording import refusal
from shoal.errors import SchemaError
from shoal.frames import few_rows
from shoal.params import OwnFeatureParams
from shoal.tables import ITEMS, USER_DAYS, USER_ITEM_DAYS, USERS
from shoal.tables.feature import Feature, Features
from shoal.tables.user_features import FEATURES
from shoal.transforms.user_features import user_features

_LONGEST = 300  # characters of what Spark says


def features_of(config: Config) -> list[Feature]:
    """The features that a shop has declared."""
    return [_feature(one) for one in config.features.own]


def among(config: Config, names: Collection[str]) -> list[Feature]:
    """Those of the shop's own features that have one of these names."""
    return [feature for feature in features_of(config) if feature.name in names]


def meanings(config: Config, names: Collection[str]) -> dict[str, str]:
    """By name what those of the shop's own features mean that have one of these names, as models remember it.

    Sixteen hex digits of a hash of how a feature and those of the shop's own that it needs are computed. What is only
    said of it (doc, unit, null) changes nothing, and what Shoal's own features mean is not the shop's to change.
    """
    own = features_of(config)
    declared = {one.name: one for one in own}
    known = Features([*FEATURES.values(), *own])

    def meaning(name: str) -> str:
        needed = sorted({*known.needed_for([name])} & {*declared})
        said = [[name, *([part.name, part.over, part.sql, part.window] for part in map(declared.__getitem__, needed))]]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]

    return {one.name: meaning(one.name) for one in among(config, names)}


def beside(rows: DataFrame, own: Sequence[Feature]) -> DataFrame:
    """Rows of ``features.users`` with each of these as a column under its name, as models read their inputs."""
    return rows.withColumns({each.name: F.try_element_at("own", F.lit(each.name)) for each in own}) if own else rows


def check(spark: SparkSession, config: Config) -> None:
    """Refuse features that cannot be computed, before any work: their plans are made over no rows.

    Raises:
        ConfigError: SQL that Spark cannot use, or that is no number; all of them.
    """
    if problems := [*_problems(spark, config)]:
        raise refusal(problems)


def _problems(spark: SparkSession, config: Config) -> Iterator[str]:
    own = features_of(config)
    if not own:
        return
    try:
        known = Features([*FEATURES.values(), *own])
    except SchemaError as error:  # they need each other in a circle, or name a variable so
        yield f"features.own: {error}"
        return
    tiles = [few_rows(spark, table.schema, []) for table in (USER_DAYS, USER_ITEM_DAYS, USERS)]
    items, wrong = few_rows(spark, ITEMS.schema, []), set[str]()
    # The simplest first: of what is made of wrong features nothing is said.
    for feature in sorted(own, key=lambda one: known.depth(one.name)):
        needed = [one for one in own if one.name in known.needed_for([feature.name])]
        if wrong & {one.name for one in needed}:
            continue
        if said := _wrong(partial(
            user_features, *tiles, as_of=date(2025, 1, 1), run_id="", items=items, only=[], own=needed
        )):  # fmt: skip
            wrong.add(feature.name)
            yield f"features.own[{own.index(feature)}].sql: {said}"


def _wrong(make: Callable[[], DataFrame]) -> str:
    """What is wrong with a plan; empty where it can be made."""
    try:
        made: Any = make()
    except PySparkException as error:
        return _said(error)
    if not made._jdf.queryExecution().analyzed().deterministic():
        return "says something else each time; the same rows must always make the same features"
    return ""


def _said(error: PySparkException) -> str:
    first = str(error).split("SQLSTATE")[0].split("\n")[0].strip()
    return first[:_LONGEST]


def _feature(one: OwnFeatureParams) -> Feature:
    return Feature(one.name, DoubleType(), one.over, one.sql, one.doc, one.unit, one.null, one.window)
