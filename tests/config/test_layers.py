"""Layers of settings: what wins, what named entries inherit, how Spark's options are read, where values come from."""

import json

import pytest

from shoal.config import explain, load_config
from shoal.errors import ConfigError

# Layers


def test_later_layers_win_key_by_key(written, defaults):
    first = written("segments: {default: {k: 5, seed: 1, max_iter: 11}}\nstrict: true\n", "first.yaml")
    second = written("segments: {default: {k: 7, seed: 2}}\n", "second.yaml")

    config = load_config([first, second], ["segments.default.k=9"])

    default = config.segments["default"]
    assert (default.k, default.seed, default.max_iter) == (9, 2, 11)
    assert default.min_users_per_segment == defaults["segments"]["default"]["min_users_per_segment"]
    assert config.strict is True


def test_later_values_win_over_earlier_ones():
    assert load_config(sets=["features.tile_buckets=4", "features.tile_buckets=8"]).features.tile_buckets == 8


def test_a_bad_value_that_a_later_layer_replaces_is_no_problem(written):
    path = written("features: {tile_buckets: 0}")

    assert load_config([path], ["features.tile_buckets=4"]).features.tile_buckets == 4


def test_lists_are_replaced_whole():
    config = load_config(sets=["segments.default.inputs=[frequency]"])

    assert config.segments["default"].inputs == ("frequency",)


def test_mappings_are_merged(defaults):
    weights = load_config(sets=["recommend.for_you.weights.views=0.5"]).recommend["for_you"].weights

    assert weights == {**defaults["recommend"]["for_you"]["weights"], "views": 0.5}


def test_the_lake_of_one_call_wins():
    assert load_config(sets=["lake=elsewhere"], lake="catalog:main.shop").lake == "catalog:main.shop"


def test_values_after_the_first_equals_sign_belong_to_the_value():
    assert load_config(sets=["publish.hold_out_salt=a=b"]).publish.hold_out_salt == "a=b"


@pytest.mark.parametrize("content", ["", "\n", "# nothing yet\n", "---\n", b"\xef\xbb\xbf"])
def test_an_empty_file_sets_nothing(written, content):
    assert load_config([written(content)]) == load_config()


def test_a_byte_order_mark_is_no_part_of_the_first_key(written):
    assert load_config([written(b"\xef\xbb\xbflake: mine\n")]).lake == "mine"


def test_an_alias_repeats_a_value(written):
    path = written("segments:\n  default: {inputs: &columns [frequency]}\n  other: {inputs: *columns}\n")

    assert load_config([path]).segments["other"].inputs == ("frequency",)


def test_whole_numbers_are_numbers():
    reg = load_config(sets=["recommend.for_you.reg=2"]).recommend["for_you"].reg

    assert (reg, type(reg)) == (2.0, float)


# Named entries


def test_a_new_entry_inherits_what_it_leaves_out():
    propensity = load_config(sets=["propensity.buys_60d.horizon_days=60"]).propensity

    old, new = (propensity[name].model_dump(exclude={"horizon_days"}) for name in ("buys_30d", "buys_60d"))
    assert new == old
    assert propensity["buys_60d"].horizon_days == 60


def test_a_new_entry_inherits_from_what_is_packaged_and_not_from_other_layers(written, defaults):
    path = written("propensity: {buys_30d: {max_iter: 7}, buys_60d: {horizon_days: 60}}")

    packaged_entry = defaults["propensity"]["buys_30d"]
    assert load_config([path]).propensity["buys_60d"].max_iter == packaged_entry["max_iter"]


def test_a_new_entry_inherits_from_one_that_was_removed(defaults):
    propensity = load_config(sets=["propensity.buys_30d=null", "propensity.buys_60d={horizon_days: 60}"]).propensity

    assert [*propensity] == ["buys_60d"]
    assert propensity["buys_60d"].min_auc == defaults["propensity"]["buys_30d"]["min_auc"]


def test_entries_do_not_share_what_they_inherit(defaults):
    recommend = load_config(sets=["recommend.a={}", "recommend.b.weights.views=9"]).recommend

    assert recommend["a"].weights == recommend["for_you"].weights == defaults["recommend"]["for_you"]["weights"]


@pytest.mark.parametrize("entry", ["segments.default", "propensity.buys_30d", "recommend.for_you"])
def test_null_removes_a_named_entry(written, defaults, entry):
    section, name = entry.split(".")
    others = {*defaults[section]} - {name}

    assert {*getattr(load_config(sets=[f"{entry}=null"]), section)} == others
    assert {*getattr(load_config([written(f"{section}: {{{name}: }}")]), section)} == others


def test_what_a_packaged_entry_leaves_out_is_as_in_the_first_of_its_section():
    for_you, again, *_ = load_config(sets=["recommend.for_you.top_n=3"]).recommend.values()
    made_anew = load_config(sets=["recommend.buy_again=null", "recommend.buy_again={}"]).recommend["buy_again"]

    assert (for_you.top_n, again.top_n) == (3, 10), "as packaged, not as set"
    assert (for_you.model, again.model, again.exclude_owned) == ("als", "buy_again", False)
    assert again.weights == for_you.weights
    assert made_anew == again


def test_an_entry_that_was_removed_and_made_again_is_as_packaged(written, defaults):
    path = written("segments: {default: {k: 9, seed: 3}}")

    again = load_config([path], ["segments.default=null", "segments.default.k=5"]).segments["default"]

    assert (again.k, again.seed) == (5, defaults["segments"]["default"]["seed"])


def test_null_is_a_value_where_a_setting_may_be_null(written):
    path = written("shop: {currency: EUR}")

    assert load_config([path]).shop.currency == "EUR"
    assert load_config([path], ["shop.currency=null"]).shop.currency is None


@pytest.mark.parametrize("section", ["segments", "propensity", "recommend"])
@pytest.mark.parametrize("name", ["Big", "60d", "a-b", "_a", "a b", "ä"])
def test_names_of_entries_are_plain(problems_of, section, name):
    rule = "the name of an entry must begin with a-z and hold only a-z, 0-9 and _"

    assert problems_of(f"{section}.{name}={{}}") == [f"{section}.{name}: {rule}  (--set)"]


def test_an_entry_that_is_not_there_cannot_be_removed(problems_of):
    assert problems_of("propensity.buy_30d=null") == [
        "propensity.buy_30d: no such entry to remove; did you mean buys_30d?  (--set)"
    ]


# Spark's options


@pytest.mark.parametrize("given", ["spark.sql.shuffle.partitions", "spark.spark.sql.shuffle.partitions"])
def test_options_of_spark_keep_their_dots(given):
    assert load_config(sets=[f"{given}=64"]).spark == {"spark.sql.shuffle.partitions": "64"}


@pytest.mark.parametrize(
    ("given", "made"),
    [("64", "64"), ("true", "true"), ("off", "false"), ("0.10", "0.10"), ("12:30", "12:30"), ("2g", "2g")],
)
def test_options_of_spark_are_text_as_written(written, given, made):
    assert load_config([written(f"spark: {{spark.x: {given}}}")]).spark == {"spark.x": made}


def test_options_of_spark_bear_its_name(written, problems_of):
    path = written("spark: {sql.shuffle.partitions: 64, spark.y: {z: 1}}")

    assert problems_of(files=(path,)) == [
        "spark: the name of an option must begin with spark., got sql.shuffle.partitions  (mine.yaml)",
        "spark.spark.y: must be text, got a mapping  (mine.yaml)",
    ]


# Where values come from


def test_every_effective_value_has_one_origin(written, defaults):
    path = written("features: {tile_buckets: 8}\npropensity: {buys_60d: {horizon_days: 60}}\n")

    settings = explain([path], ["segments.default.k=5", "spark.ui.enabled=true"], lake="here")

    origins = {setting.key: setting.origin for setting in settings if setting.origin != "default"}
    assert origins == {
        "lake": "--lake",
        "features.tile_buckets": str(path),
        "propensity.buys_60d.horizon_days": str(path),
        "segments.default.k": "--set",
        "spark.spark.ui.enabled": "--set",
    }
    values = {setting.key: setting.value for setting in settings}
    assert len(values) == len(settings)
    assert values["propensity.buys_60d.reg"] == defaults["propensity"]["buys_30d"]["reg"]
    assert values["ingest.inputs"] == []
    assert values["validate.duplicate_lines"] == "keep"


def test_a_removed_entry_leaves_no_origin_behind(written):
    path = written("segments: {default: {k: 9}}")

    settings = explain([path], ["segments.default=null", "segments.default={}"])

    assert {setting.origin for setting in settings} == {"default"}


def test_what_explain_says_can_be_set_again():
    sets = [f"{key}={json.dumps(value)}" for key, value, _ in explain(sets=["recommend.more.top_n=3"])]

    assert load_config(sets=sets) == load_config(sets=["recommend.more.top_n=3"])


def test_what_cannot_be_used_cannot_be_explained():
    with pytest.raises(ConfigError, match="tile_buckets: must be at least 1, got 0"):
        explain(sets=["features.tile_buckets=0"])
