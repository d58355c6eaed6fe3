"""Layers of settings, and what is said when they cannot be used."""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.resources import files as packaged
from pathlib import Path
from typing import Any

import pytest
import yaml

import shoal
from shoal.config import Config, check_columns, explain, load_config, row_changing, settings_hash
from shoal.errors import ConfigError

DEFAULT_TEXT = packaged("shoal.conf").joinpath("default.yaml").read_text(encoding="utf-8")
DEFAULTS = yaml.safe_load(DEFAULT_TEXT)

Written = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """``written(text, name)``: a file with this text, or these bytes."""

    def write(content: str | bytes, name: str = "mine.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def problems_of(*sets: str, files: tuple[Path, ...] = (), lake: str | None = None) -> list[str]:
    """The lines of the refusal below its headline, without folders."""
    with pytest.raises(ConfigError) as refused:
        load_config(files, sets, lake)
    headline, *lines = str(refused.value).splitlines()
    assert headline == "cannot use the settings:"
    assert refused.value.exit_code == 2
    assert all(line.startswith("  ") for line in lines)
    folders = {str(path.parent) + "/" for path in files}
    return [re.sub("|".join(map(re.escape, folders)), "", line.strip()) if folders else line.strip() for line in lines]


# What comes packaged


def test_the_defaults_load_and_lose_nothing():
    assert load_config().model_dump(mode="json", by_alias=True) == DEFAULTS


def test_the_defaults_name_columns_that_exist():
    check_columns(load_config())


def bare_settings(text: str) -> list[str]:
    """Lines that set a value and give no reason; a line that only opens a section sets none."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    leaf = re.compile(r"\s*[\w.]+:\s+[^\s#]")
    return [line.strip() for line in lines if leaf.match(line) and not re.search(r"\s# \S", line)]


def test_a_setting_without_a_reason_is_seen():
    text = "a: 1  # why\nb:\n  c: 2\n  d: [1,\n     2]\n"

    assert bare_settings(text) == ["c: 2", "d: [1,"]


def test_every_default_has_its_reason():
    assert bare_settings(DEFAULT_TEXT) == []


# Layers


def test_later_layers_win_key_by_key(written):
    first = written("segments: {default: {k: 5, seed: 1, max_iter: 11}}\nstrict: true\n", "first.yaml")
    second = written("segments: {default: {k: 7, seed: 2}}\n", "second.yaml")

    config = load_config([first, second], ["segments.default.k=9"])

    default = config.segments["default"]
    assert (default.k, default.seed, default.max_iter) == (9, 2, 11)
    assert default.min_users_per_segment == DEFAULTS["segments"]["default"]["min_users_per_segment"]
    assert config.strict is True


def test_later_values_win_over_earlier_ones():
    assert load_config(sets=["features.tile_buckets=4", "features.tile_buckets=8"]).features.tile_buckets == 8


def test_a_bad_value_that_a_later_layer_replaces_is_no_problem(written):
    path = written("features: {tile_buckets: 0}")

    assert load_config([path], ["features.tile_buckets=4"]).features.tile_buckets == 4


def test_lists_are_replaced_whole():
    config = load_config(sets=["segments.default.inputs=[frequency]"])

    assert config.segments["default"].inputs == ("frequency",)


def test_mappings_are_merged():
    weights = load_config(sets=["recommend.for_you.weights.views=0.5"]).recommend["for_you"].weights

    assert weights == {**DEFAULTS["recommend"]["for_you"]["weights"], "views": 0.5}


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


def test_a_new_entry_inherits_from_what_is_packaged_and_not_from_other_layers(written):
    path = written("propensity: {buys_30d: {max_iter: 7}, buys_60d: {horizon_days: 60}}")

    packaged_entry = DEFAULTS["propensity"]["buys_30d"]
    assert load_config([path]).propensity["buys_60d"].max_iter == packaged_entry["max_iter"]


def test_a_new_entry_inherits_from_one_that_was_removed():
    propensity = load_config(sets=["propensity.buys_30d=null", "propensity.buys_60d={horizon_days: 60}"]).propensity

    assert [*propensity] == ["buys_60d"]
    assert propensity["buys_60d"].min_auc == DEFAULTS["propensity"]["buys_30d"]["min_auc"]


def test_entries_do_not_share_what_they_inherit():
    recommend = load_config(sets=["recommend.a={}", "recommend.b.weights.views=9"]).recommend

    assert recommend["a"].weights == recommend["for_you"].weights == DEFAULTS["recommend"]["for_you"]["weights"]


@pytest.mark.parametrize("entry", ["segments.default", "propensity.buys_30d", "recommend.for_you"])
def test_null_removes_a_named_entry(written, entry):
    section, name = entry.split(".")

    assert getattr(load_config(sets=[f"{entry}=null"]), section) == {}
    assert getattr(load_config([written(f"{section}: {{{name}: }}")]), section) == {}


def test_an_entry_that_was_removed_and_made_again_is_as_packaged(written):
    path = written("segments: {default: {k: 9, seed: 3}}")

    again = load_config([path], ["segments.default=null", "segments.default.k=5"]).segments["default"]

    assert (again.k, again.seed) == (5, DEFAULTS["segments"]["default"]["seed"])


def test_null_is_a_value_where_a_setting_may_be_null(written):
    path = written("shop: {currency: EUR}")

    assert load_config([path]).shop.currency == "EUR"
    assert load_config([path], ["shop.currency=null"]).shop.currency is None


@pytest.mark.parametrize("section", ["segments", "propensity", "recommend"])
@pytest.mark.parametrize("name", ["Big", "60d", "a-b", "_a", "a b", "ä"])
def test_names_of_entries_are_plain(section, name):
    rule = "the name of an entry must begin with a-z and hold only a-z, 0-9 and _"

    assert problems_of(f"{section}.{name}={{}}") == [f"{section}.{name}: {rule}  (--set)"]


def test_an_entry_that_is_not_there_cannot_be_removed():
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


def test_options_of_spark_bear_its_name(written):
    path = written("spark: {sql.shuffle.partitions: 64, spark.y: {z: 1}}")

    assert problems_of(files=(path,)) == [
        "spark: the name of an option must begin with spark., got sql.shuffle.partitions  (mine.yaml)",
        "spark.spark.y: must be text, got a mapping  (mine.yaml)",
    ]


# Refusals


def test_all_problems_come_at_once_each_with_its_origin(written):
    path = written("features: {tile_buckets: 0}\nsegments: {default: {k: 1, max_iter: 2.5}}\n")
    missing = path.parent / "none.yaml"

    assert problems_of("features.tile_bukets=3", "lake", files=(path, missing), lake="") == [
        "none.yaml: no such file or directory",
        "--set lake: must be written KEY.PATH=VALUE",
        'lake: must be text that is not empty, got ""  (--lake)',
        "features.tile_buckets: must be at least 1, got 0  (mine.yaml)",
        "features.tile_bukets: unknown setting; did you mean tile_buckets?  (--set)",
        "segments.default.max_iter: must be a whole number, got 2.5  (mine.yaml)",
        "segments.default.k: must be within 2..50, got 1  (mine.yaml)",
    ]


def test_conditions_are_judged_beside_other_mistakes_of_the_same_entry():
    found = problems_of("segments.default.seed=x", "segments.default.k=1", "segments.default.k_range=[9, 3]")

    assert {line.split(":")[0] for line in found} == {f"segments.default.{n}" for n in ("seed", "k", "k_range")}


def test_very_many_problems_are_bounded():
    found = problems_of(*(f"unknown_{number}=1" for number in range(100)))

    assert len(found) == 41
    assert found[-1] == "... and 60 more"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("features.tile_buckets=5000", "must be at most 4096, got 5000"),
        ("publish.hold_out_share=1", "must be below 1, got 1"),
        ("recommend.for_you.alpha=0", "must be above 0, got 0"),
        ("propensity.buys_30d.reg=-0.5", "must be at least 0, got -0.5"),
        ("propensity.buys_30d.horizon_days=many", 'must be a whole number, got "many"'),
        ("propensity.buys_30d.reg=much", 'must be a number, got "much"'),
        ("propensity.buys_30d.reg=true", "must be a number, got true"),
        ("propensity.buys_30d.reg=[1]", "must be a number, got [1]"),
        ("segments.default.k=6.0", "must be a whole number or auto, got 6.0"),
        ("segments.default.k=null", "must be a whole number or auto, got null"),
        ("segments.default.engine=sklearn", 'must be mllib, got "sklearn"'),
        ("validate.duplicate_lines=kep", 'must be keep or drop, got "kep"'),
        ("segments.default.k_range=[4]", "must be at least 2 long, got [4]"),
        ("segments.default.k_range=[4, 5, 6]", "must be at most 2 long, got [4, 5, 6]"),
        ("segments.default.k_range=[5, 4]", "must be two numbers within 2..50, the least first, got 5, 4"),
        ("segments.default.inputs=[]", "must be at least 1 long, got []"),
        ("segments.default.inputs=frequency", 'must be a list, got "frequency"'),
        ("shop.currency=eur", 'must be three capital letters such as EUR, got "eur"'),
        ("shop.time_zone=Mars/Base", "unknown time zone 'Mars/Base'; write it like Europe/London"),
        ("publish.hold_out_salt=''", 'must be text that is not empty, got ""'),
        ("strict=1", "must be true or false, got 1"),
        ("features=3", "must be a mapping of settings, got 3"),
        ("propensity.buys_60d=60", "must be a mapping of settings, got 60"),
        ("features.tile_buckets.x=3", "must be a whole number, got a mapping"),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_plain_words(given, said):
    key = given.partition("=")[0].removesuffix(".x")

    assert problems_of(given) == [f"{key}: {said}  (--set)"]


def test_items_of_a_list_are_named_by_their_place(written):
    path = written("ingest: {inputs: [{feed: shoal, path: a}, {feed: '', pth: b}, 5]}")

    assert problems_of(files=(path,)) == [
        'ingest.inputs[1].feed: must be text that is not empty, got ""  (mine.yaml)',
        "ingest.inputs[1].path: is missing  (mine.yaml)",
        "ingest.inputs[1].pth: unknown setting; did you mean path?  (mine.yaml)",
        "ingest.inputs[2]: must be a mapping of settings, got 5  (mine.yaml)",
    ]


def test_one_bad_item_does_not_make_a_list_too_short():
    assert problems_of("segments.default.inputs=[1]") == ["segments.default.inputs[0]: must be text, got 1  (--set)"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("feature.tile_buckets=3", "features"),
        ("validation.duplicate_lines=keep", "validate"),
        ("segments.default.K_Range=3", "k_range"),
        ("recommend.for_you.half-life-days=3", "half_life_days"),
        ("propensity.buys_30d.horizon=3", "horizon_days"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_one(given, meant):
    (found,) = problems_of(given)

    assert found.endswith(f": unknown setting; did you mean {meant}?  (--set)")


def test_where_no_setting_is_near_those_that_exist_are_listed():
    assert problems_of("publish.zzz=1") == [
        "publish.zzz: unknown setting; there are hold_out_salt, hold_out_share, max_retries  (--set)"
    ]


def test_a_section_that_a_file_flattens_is_told_even_if_values_follow(written):
    path = written("features:\n")

    (found,) = problems_of("features.tile_buckets=4", files=(path,))
    assert found.startswith("features: must be a mapping of settings, got null")


# What YAML makes of what was written


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("shop.currency=no", "must be text, got false (what YAML makes of no; quotes make it text)"),
        (
            "publish.hold_out_salt=12:30",
            "must be text, got 750 (what YAML makes of 12:30; quotes make it text)",
        ),
        (
            "publish.hold_out_salt=2026-01-31",
            "must be text, got a date (what YAML makes of 2026-01-31; quotes make it text)",
        ),
        ('segments.default.k="6"', 'must be a whole number or auto, got "6" (text: leave out the quotes)'),
        ("strict='no'", 'must be true or false, got "no" (text: leave out the quotes)'),
        (
            "propensity.buys_30d.reg=1e-3",
            'must be a number, got "1e-3" (YAML reads it as text: write a point and a sign, such as 1.0e-3)',
        ),
        ("propensity.buys_30d.horizon_days=030", "write it plainly: YAML reads 030 as 24"),
        ("propensity.buys_30d.horizon_days=1:30", "write it plainly: YAML reads 1:30 as 90"),
        ("recommend.for_you.half_life_days=1:30.0", "write it plainly: YAML reads 1:30.0 as 90.0"),
    ],
)
def test_a_trap_of_yaml_is_shown(given, said):
    assert problems_of(given) == [f"{given.partition('=')[0]}: {said}  (--set)"]


def test_a_number_that_is_not_finite_is_refused():
    (found,) = problems_of("propensity.buys_30d.reg=.inf")

    assert found.startswith("propensity.buys_30d.reg: must be a finite number, got Infinity")


def test_a_trap_inside_a_list_is_shown_where_it_is(written):
    path = written("segments: {default: {k_range: [4, 010]}}")

    assert problems_of(files=(path,)) == [
        "segments.default.k_range[1]: write it plainly: YAML reads 010 as 8  (mine.yaml)"
    ]


def test_a_trap_that_a_later_layer_replaces_is_no_problem(written):
    path = written("propensity: {buys_30d: {horizon_days: 030, max_iter: 50}}")

    buys = load_config([path], ["propensity.buys_30d.horizon_days=45"]).propensity["buys_30d"]

    assert buys.horizon_days == 45


# Files and options that are not settings


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("- 1\n", "must be a mapping of settings, got [1]"),
        ("lake\n", 'must be a mapping of settings, got "lake"'),
        ("lake: a\nshop: b: c\n", "not YAML, line 2: mapping values are not allowed here"),
        ("lake: a\n\tstrict: true\n", "not YAML, line 2: found character '\\t' that cannot start any token"),
        ("lake: !mine a\n", "not YAML, line 1: could not determine a constructor for the tag '!mine'"),
        ("shop: !!omap {}\n", "not YAML, line 1: unknown tag tag:yaml.org,2002:omap"),
        ("lake: 2026-02-30\n", "not YAML, line 1: day is out of range for month"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", "not YAML, line 3: a key must be plain text"),
        ("? [a]\n: 1\n", "not YAML, line 1: a key must be plain text"),
        ("lake: a\n---\nlake: b\n", "not YAML, line 2: but found another document, in what began on line 1"),
        (
            "lake: a\n\nshop: \0\n",
            "not YAML, line 3: unacceptable character #x0000: special characters are not allowed",
        ),
        (b"lake: a\nshop: \xe4\n", "not UTF-8 text, line 2"),
        (b"\xff\xfel\0", "not UTF-8 text, line 1"),
        ("shop: &a [*a]\n", "nested too deeply, or within itself"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(written, content, said):
    assert problems_of(files=(written(content),)) == [f"mine.yaml: {said}"]


def test_a_folder_is_not_a_file(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()

    assert problems_of(files=(folder,)) == ["folder: is a directory"]


def test_a_key_that_is_given_twice_is_refused(written):
    path = written("features:\n  tile_buckets: 8\nshop: {currency: EUR, currency: USD}\nfeatures: {}\n")

    assert problems_of(files=(path,)) == [
        "shop.currency: given twice, on line 3 and on line 3  (mine.yaml)",
        "features: given twice, on line 1 and on line 4  (mine.yaml)",
    ]


def test_a_key_that_is_given_twice_within_one_value_is_refused():
    assert problems_of("segments.default={k: 5, k: 6}") == [
        "segments.default.k: given twice, on line 1 and on line 1  (--set)"
    ]


def test_keys_are_text(written):
    path = written("lake: a\nshop:\n  on: 1\n3: 4\n")

    assert problems_of(files=(path,)) == [
        "shop: a key must be text, got true (what YAML makes of on; quotes make it text) on line 3  (mine.yaml)",
        "a key must be text, got 3 on line 4  (mine.yaml)",
    ]


@pytest.mark.parametrize("given", ["lake", "=3", "features..tile_buckets=3", ".lake=a", "spark.=1", ""])
def test_a_value_without_its_key_is_refused(given):
    assert problems_of(given) == [f"--set {given}: must be written KEY.PATH=VALUE".strip()]


def test_a_value_that_is_not_yaml_is_refused():
    (found,) = problems_of("features.tile_buckets=[1")

    assert found.startswith("--set features.tile_buckets: not YAML, line 1: ")


# Columns


def test_columns_that_do_not_exist_are_refused_all_at_once():
    sets = [
        "segments.default.inputs=[recency_day, frequency, frequency]",
        "propensity.buys_30d.inputs=[is_buyer, last_order_at]",
        "recommend.for_you.weights={view: 1, gross: 1, bucket: 1}",
    ]

    with pytest.raises(ConfigError) as refused:
        check_columns(load_config(sets=sets))

    said = [line.strip().partition(";")[0] for line in str(refused.value).splitlines()[1:]]
    assert said == [
        "segments.default.inputs: frequency is named twice",
        "segments.default.inputs: recency_day is no numeric column of features.users",
        "propensity.buys_30d.inputs: is_buyer is no numeric column of features.users",
        "propensity.buys_30d.inputs: last_order_at is no numeric column of features.users",
        "recommend.for_you.weights: view is no count column of features.user_item_days",
        "recommend.for_you.weights: gross is no count column of features.user_item_days",
        "recommend.for_you.weights: bucket is no count column of features.user_item_days",
    ]
    assert "did you mean recency_days?" in str(refused.value)
    assert refused.value.exit_code == 2


# Where values come from


def test_every_effective_value_has_one_origin(written):
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
    assert values["propensity.buys_60d.reg"] == DEFAULTS["propensity"]["buys_30d"]["reg"]
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


# The hash


def hash_of(*sets: str) -> str:
    return settings_hash(load_config(sets=sets))


ROW_CHANGING = [
    ("strict", "true"),
    ("shop.currency", "EUR"),
    ("validate.max_rejected_share", "0.1"),
    ("features.tile_buckets", "8"),
    ("segments.default.k", "auto"),
    ("segments.more", "{}"),
    ("propensity.buys_30d", "null"),
    ("recommend.for_you.weights.views", "1.5"),
    ("publish.hold_out_salt", "other"),
]


def test_the_hash_tells_row_changing_settings_apart():
    hashes = {hash_of(), *(hash_of(f"{key}={value}") for key, value in ROW_CHANGING)}

    assert len(hashes) == 1 + len(ROW_CHANGING)
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in hashes)


@pytest.mark.parametrize(
    "given",
    [
        "spark.sql.shuffle.partitions=64",
        "lake=other",
        "ingest.inputs=[{feed: shoal, path: a}]",
        "publish.max_retries=9",
    ],
)
def test_the_hash_leaves_out_what_changes_no_row(given):
    assert hash_of(given) == hash_of()


def test_the_hash_does_not_depend_on_how_settings_are_written_down():
    forwards = hash_of("segments.a={}", "segments.b={k: 5}", "recommend.for_you.reg=2")
    backwards = hash_of("recommend.for_you.reg=2.0", "segments.b={k: 5}", "segments.a={}")

    assert forwards == backwards


def test_row_changing_settings_are_plain_json():
    changing = row_changing(load_config())

    assert json.loads(json.dumps(changing)) == changing
    assert {"spark", "lake"}.isdisjoint(changing)


# What it costs and where it runs


def run_python(code: str, *options: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": path} if path else None
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment)


def test_settings_cost_no_heavy_import():
    code = "from shoal.config import *; c = load_config(); settings_hash(c); explain()"

    log = run_python(code, "-X", "importtime").stderr

    imported = {line.rpartition("|")[2].strip() for line in log.splitlines()}
    assert {"shoal.config", "shoal.params", "yaml"} <= imported
    heavy = {"pyspark", "great_expectations", "pandas", "numpy", "pyarrow", "delta"}
    assert {name for name in imported if name.split(".")[0] in heavy} == set()


def test_settings_load_from_a_zip(tmp_path):
    roots = {"shoal": Path(shoal.__file__).parent, "shoal/conf": Path(str(packaged("shoal.conf")))}
    archive = tmp_path / "shoal.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, root in roots.items():
            for file in (f for f in root.rglob("*") if f.suffix in {".py", ".yaml"}):
                zipped.write(file, f"{name}/{file.relative_to(root)}")
    code = "import shoal.config as c; print(c.__file__); print(c.settings_hash(c.load_config()))"

    place, found = run_python(code, path=str(archive)).stdout.split()

    assert place.startswith(str(archive))
    assert found == hash_of()


def test_a_config_cannot_be_changed():
    config: Any = load_config()

    with pytest.raises(ValueError, match="frozen"):
        config.strict = True
    assert isinstance(config, Config)
