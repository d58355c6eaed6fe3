"""A feature is declared once and whole, and what it needs is found from its SQL."""

import pytest
from pyspark.sql.types import DoubleType, LongType

from shoal.errors import SchemaError
from shoal.tables import USER_FEATURES
from shoal.tables.feature import WINDOWS, Feature, Features, count, counts
from shoal.tables.user_features import FEATURES


def made_of(name: str, sql: str) -> Feature:
    return Feature(name, DoubleType(), "user", sql, "made of others", "ratio", "sometimes")


def test_what_others_need_is_needed_and_nothing_else() -> None:
    declared = Features(
        [count("a", "a", "days", "sum(a)"), count("b", "b", "days", "sum(b)"), count("c", "c", "days", "sum(c)"),
         made_of("ab", "a / b"), made_of("deep", "ab + 'c'")]
    )  # fmt: skip

    assert [*declared.needed_for(["deep"])] == ["a", "b", "ab", "deep"]
    assert [declared.depth(name) for name in ("a", "ab", "deep")] == [0, 1, 2]
    # SQL does not tell capitals from small letters; a text and a field of a struct are no names, nor is a variable.
    loud = made_of("loud", "DEEP * 'B' + named_struct('c', 1).c + aggregate(array(1), 0, (x, y) -> x + y)")
    assert [*Features([*declared.values(), loud]).needed_for(["loud"])] == ["a", "b", "ab", "deep", "loud"]
    # Of an aggregate the names are columns of its rows, also where a feature has the same name.
    assert [*declared.needed_for(["c"])] == ["c"]


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ([made_of("a", "b"), made_of("b", "c"), made_of("c", "a")], "needs itself"),
        ([made_of("a", "1"), made_of("a", "2")], "a: declared twice"),
        (
            [made_of("a", "1"), made_of("b", "size(filter(array(1, 2), A -> A > 1))")],
            "b: its variable a is the name of a feature; call it otherwise",
        ),
        ([made_of("a", "1"), made_of("b", "aggregate(array(1), 0, (x, a)->x + a)")], "b: its variable a is"),
    ],
)
def test_features_that_contradict_each_other_are_refused(features: list[Feature], said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        Features(features)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"window": 7}, "a window needs :since"),
        ({"sql": "sum(a) FILTER (WHERE event_date >= :since)"}, ":since a window"),
        ({"doc": ""}, "meaning and unit must be said"),
        ({"unit": ""}, "meaning and unit must be said"),
    ],
)
def test_a_feature_that_is_not_whole_is_refused(values: dict[str, object], said: str) -> None:
    whole = {"name": "a", "type": LongType(), "over": "days", "sql": "sum(a)", "doc": "a", "unit": "count"}
    Feature(**whole)  # type: ignore[arg-type]  # a table of bad values
    with pytest.raises(SchemaError, match=said):
        Feature(**{**whole, **values})  # type: ignore[arg-type]


def test_comments_say_meaning_window_unit_and_null() -> None:
    whole, *windows = (feature.column for feature in counts("views", "views and clicks", "days", "sum(views)"))
    expected = {
        "views": "views and clicks before as_of, count",
        "views_1d": "views and clicks on the day before as_of, count",
    }
    expected |= {f"views_{n}d": f"views and clicks in the {n} days before as_of, count" for n in WINDOWS if n > 1}

    assert {column.name: column.doc for column in (whole, *windows)} == expected
    columns = {column.name: column.doc for column in USER_FEATURES.columns}
    assert columns["overdue_ratio"].endswith(", ratio; null before the third day with an order")
    assert {*columns} == {"run_id", "user_id", "as_of", "own", *(f.name for f in FEATURES.values() if f.is_shown)}
