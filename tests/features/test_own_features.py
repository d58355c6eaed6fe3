"""Features of the shop's own: those of the page are what they say, and what cannot be computed is told at once."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import DataFrame, SparkSession

from shoal.config import Config, check_columns, load_config
from shoal.errors import ConfigError
from shoal.features.own import among, beside, check, features_of, meanings
from shoal.tables import USER_DAYS, USER_FEATURES, USER_ITEM_DAYS, USERS
from shoal.transforms.user_features import user_features

PAGE = (Path(__file__).parents[2] / "docs" / "features.md").read_text()
AS_OF = date(2024, 6, 1)  # a Saturday
(EXAMPLE,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def settings(*own: dict[str, Any]) -> Config:
    return load_config(sets=[f"features.own={json.dumps([*own])}"])


def day(user: str, days_ago: int, views: int, gross: int | None = None) -> dict[str, Any]:
    when = AS_OF - timedelta(days=days_ago)
    noon = datetime(when.year, when.month, when.day, 12, tzinfo=UTC)
    zero = ("searches", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces", "orders",
            "purchase_lines")  # fmt: skip
    return {"bucket": 0, "user_id": user, "event_date": when, "first_at": noon, "last_at": noon, "events": views,
            "views": views, "gross": gross, **dict.fromkeys(zero, 0)}  # fmt: skip


def test_the_example_of_the_page_is_what_it_says(spark: SparkSession, frame: Callable[..., DataFrame]) -> None:
    config = settings(*yaml.safe_load(EXAMPLE)["features"]["own"])
    check(spark, config)
    # Yesterday was a Friday; 98 days before as_of too, but beyond the window, as is the day itself.
    days = [day("u", 1, 3, 8), day("u", 2, 1), day("u", 99, 50), day("u", 0, 7), day("long ago", 92, 5)]
    users = [{"user_id": user, "account_kind": "consumer"} for user in ("u", "long ago")]
    found = user_features(
        frame(USER_DAYS, *days), frame(USER_ITEM_DAYS), frame(USERS, *users), as_of=AS_OF, run_id="r",
        own=features_of(config), only=[],
    )  # fmt: skip

    assert {row.user_id: row.own for row in found.collect()} == {
        "u": {"friday_share_90d": 3 / 4, "spend_per_active_day": 8 / 3},
        "long ago": {"friday_share_90d": None, "spend_per_active_day": None},
    }


def test_names_may_be_written_in_capitals(spark: SparkSession, frame: Callable[..., DataFrame]) -> None:
    config = settings(
        {"name": "loud", "over": "user", "sql": "Spend / ACTIVE_DAYS + Louder", "doc": "d", "unit": "u"},
        {"name": "louder", "sql": "SUM(Views)", "doc": "d", "unit": "u"},
    )
    check(spark, config)
    found = user_features(
        frame(USER_DAYS, day("u", 1, 3, 8), day("u", 2, 1)), frame(USER_ITEM_DAYS),
        frame(USERS, {"user_id": "u", "account_kind": "consumer"}), as_of=AS_OF, run_id="r",
        own=features_of(config), only=[],
    )  # fmt: skip

    assert [row.own for row in found.collect()] == [{"loud": 8 / 2 + 4, "louder": 4}]


def test_what_spark_cannot_compute_is_told_with_its_place(spark: SparkSession) -> None:
    wrong = {
        "vews": {"sql": "sum(vews)"},
        "views": {"sql": "views + 1"},  # of which day?
        "TypeError": {"sql": "min(event_date)"},
        "spnd": {"sql": "spnd / 2", "over": "user"},
        "rand": {"sql": "sum(views * rand())"},
    }
    own = [{"name": f"own_{n}", "doc": "d", "unit": "u", **one} for n, one in enumerate(wrong.values())]

    with pytest.raises(ConfigError) as refused:
        check(spark, settings(*own))
    for place, word in enumerate(wrong):
        (line,) = [line for line in str(refused.value).splitlines() if f"features.own[{place}].sql" in line]
        assert word in line or word in ("TypeError", "rand"), line


def test_models_may_take_them_as_inputs(spark: SparkSession, frame: Callable[..., DataFrame]) -> None:
    own = [
        {"name": name, "sql": sql, "doc": "d", "unit": "u"} for name, sql in (("loud", "sum(views)"), ("idle", "1.0"))
    ]
    given = [f"features.own={json.dumps(own)}"]
    config = load_config(sets=[*given, 'segments.default.inputs=["loud", "spend"]'])
    check_columns(config)
    rows = frame(USER_FEATURES, {"user_id": "a", "own": {"loud": 3.0, "idle": 1.0}}, {"user_id": "b", "own": None})
    found = beside(rows, among(config, config.segments["default"].inputs))

    assert {*found.columns} - {*rows.columns} == {"loud"}, "what is no input is no column"
    assert {row.user_id: row.loud for row in found.collect()} == {"a": 3.0, "b": None}
    with pytest.raises(ConfigError, match=r"segments\.default\.inputs: lout is no .*did you mean loud\?"):
        check_columns(load_config(sets=[*given, 'segments.default.inputs=["lout"]']))


def test_an_input_may_name_another_of_them(spark: SparkSession, frame: Callable[..., DataFrame]) -> None:
    """What a job computes of past days: declared features that are inputs, and of the shop's own what these need."""
    own = [
        {"name": "loud", "sql": "sum(views)", "doc": "d", "unit": "u"},
        {"name": "loud_share", "over": "user", "sql": "loud / active_days", "doc": "d", "unit": "u"},
    ]
    config = load_config(sets=[f"features.own={json.dumps(own)}", 'propensity.buys_30d.inputs=["loud_share"]'])
    inputs = config.propensity["buys_30d"].inputs
    past = user_features(
        frame(USER_DAYS, day("u", 1, 3), day("u", 2, 2)), frame(USER_ITEM_DAYS),
        frame(USERS, {"user_id": "u", "account_kind": "consumer"}), as_of=AS_OF, run_id="r",
        own=features_of(config), only=inputs,
    )  # fmt: skip

    assert [row.loud_share for row in beside(past, among(config, inputs)).collect()] == [5 / 2]


def test_a_feature_means_something_else_once_it_or_what_it_needs_is_computed_otherwise() -> None:
    def meant(**sql: str) -> str:
        by_name = {"twice": "2 * Loud", "loud": "sum(views)", "idle": "sum(carts)"} | sql
        over = {"twice": "user"}
        own = [
            {"name": name, "sql": said, "over": over.get(name, "days"), "doc": said, "unit": "u"}
            for name, said in by_name.items()
        ]
        return meanings(settings(*own), ["twice", "spend"])["twice"]

    assert meant() == meant(idle="sum(returns)")
    assert len({meant(), meant(twice="3 * Loud"), meant(loud="sum(carts)")}) == 3
    described = {"name": "loud", "sql": "sum(views)", "unit": "u"}
    assert meanings(settings({**described, "doc": "one"}), ["loud"]) == meanings(
        settings({**described, "doc": "two"}), ["loud"]
    )
    assert meanings(settings(), ["spend"]) == {}
