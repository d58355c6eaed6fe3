"""Features of the shop's own in the settings: what is refused without Spark."""

import json

import pytest

from shoal.config import check_columns, load_config, settings_hash
from shoal.errors import ConfigError

GOOD = {"name": "fridays", "sql": "count(event_date)", "doc": "days", "unit": "days"}


def given(*features):
    return [f"features.own={json.dumps([*features])}"]


def test_a_feature_takes_what_is_left_out_from_its_kind_and_changes_the_run():
    (own,) = load_config(sets=given(GOOD)).features.own

    assert (own.over, own.window, own.null) == ("days", None, "where there is nothing to compute it from")
    assert settings_hash(load_config(sets=given(GOOD))) != settings_hash(load_config())


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ([{**GOOD, "name": "Fridays"}], "features.own[0].name"),
        ([{**GOOD, "name": "views_30d"}], "features.own[0].name: views_30d is a feature already; choose another"),
        ([{**GOOD, "name": "user_id"}], "features.own[0].name: user_id is a feature already"),
        ([GOOD, GOOD], "two features are named 'fridays'"),
        ([{**GOOD, "window": 30}], "a window needs :since in its sql"),
        ([{**GOOD, "sql": "count_if(event_date >= :since)"}], "and :since a window"),
        ([{**GOOD, "over": "weeks"}], "features.own[0].over"),
        ([{**GOOD, "doc": ""}], "features.own[0].doc"),
        ([{**GOOD, "sql": "datediff(current_date(), max(event_date))"}], "current_date"),
        ([{**GOOD, "sql": "(SELECT 1)"}], "not SELECT from a table"),
    ],
)
def test_what_cannot_be_a_feature_is_refused_before_spark_runs(features, said):
    with pytest.raises(ConfigError) as refused:
        check_columns(load_config(sets=given(*features)))
    assert said in str(refused.value)
