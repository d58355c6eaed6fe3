"""What is said of settings that cannot be used: all at once, in plain words, with what was probably meant."""

import pytest

from shoal.config import check_columns, load_config
from shoal.errors import ConfigError

# Refusals


def test_all_problems_come_at_once_each_with_its_origin(written, problems_of):
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


def test_conditions_are_judged_beside_other_mistakes_of_the_same_entry(problems_of):
    found = problems_of("segments.default.seed=x", "segments.default.k=1", "segments.default.k_range=[9, 3]")

    assert {line.split(":")[0] for line in found} == {f"segments.default.{n}" for n in ("seed", "k", "k_range")}


@pytest.mark.parametrize(
    ("entry", "setting", "meant"),
    [("segments.defualt", "k", "default"), ("propensity.buy_30d", "active_days", "buys_30d"),
     ("recommend.foryou", "rank", "for_you")],
)  # fmt: skip
def test_a_new_entry_that_looks_like_a_slip_of_a_packaged_one_is_refused(problems_of, entry, setting, meant):
    said = f"{entry}: did you mean {meant}? A new entry needs a name less like it  (--set)"
    assert problems_of(f"{entry}.{setting}=30") == [said]


@pytest.mark.parametrize("setting", ["propensity.buys_60d.active_days", "segments.default_2.k", "segments.loyalty.k"])
def test_a_new_entry_of_its_own_name_is_welcome(setting):
    entry = load_config(sets=(f"{setting}=30",)).model_dump()

    section, name, key = setting.split(".")
    assert entry[section][name][key] == 30


def test_very_many_problems_are_bounded(problems_of):
    found = problems_of(*(f"unknown_{number}=1" for number in range(100)))

    assert len(found) == 41
    assert found[-1] == "... and 60 more"


NO_WEIGHT = "{views: 0, favourites: 0, carts: 0.0, purchases: 0}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("features.tile_buckets=5000", "must be at most 4096, got 5000"),
        ("publish.hold_out_share=1", "must be below 1, got 1"),
        ("recommend.for_you.weights.views=-0.5", "must be at least 0, got -0.5"),
        (f"recommend.for_you.weights={NO_WEIGHT}", "at least one must be above 0, got only 0"),
        ("recommend.for_you.alpha=0", "must be above 0, got 0"),
        ("propensity.buys_30d.reg=-0.5", "must be at least 0, got -0.5"),
        ("propensity.buys_30d.horizon_days=many", 'must be a whole number, got "many"'),
        ("propensity.buys_30d.reg=much", 'must be a number, got "much"'),
        ("propensity.buys_30d.reg=true", "must be a number, got true"),
        ("propensity.buys_30d.reg=[1]", "must be a number, got [1]"),
        ("segments.default.k=6.0", "must be a whole number or auto, got 6.0"),
        ("segments.default.k=null", "must be a whole number or auto, got null"),
        ("recommend.for_you.engine=sklearn", 'must be mllib or native, got "sklearn"'),
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
def test_a_value_that_cannot_be_is_refused_in_plain_words(problems_of, given, said):
    key = given.partition("=")[0].removesuffix(".x")

    assert problems_of(given) == [f"{key}: {said}  (--set)"]


@pytest.mark.parametrize("key", ["segments.default.seed", "recommend.for_you.seed"])
@pytest.mark.parametrize(
    ("seed", "said"), [(-1, "must be at least 0, got -1"), (2**31, "must be at most 2147483647, got 2147483648")]
)
def test_a_seed_beyond_32_bits_with_sign_or_below_0_is_refused(problems_of, key, seed, said):
    assert problems_of(f"{key}={seed}") == [f"{key}: {said}  (--set)"]


@pytest.mark.parametrize("seed", [0, 2**31 - 1])
def test_the_least_and_the_greatest_seed_are_taken(seed):
    config = load_config(sets=[f"segments.default.seed={seed}", f"recommend.for_you.seed={seed}"])

    assert config.segments["default"].seed == config.recommend["for_you"].seed == seed


def test_one_weight_above_0_is_enough():
    sets = [f"recommend.for_you.weights={NO_WEIGHT}", "recommend.for_you.weights.carts=0.1"]

    assert sum(load_config(sets=sets).recommend["for_you"].weights.values()) == 0.1


def test_a_mapping_that_is_wrong_as_a_whole_is_told_with_all_who_set_it(written, problems_of):
    path = written("recommend: {for_you: {weights: {views: 0, favourites: 0, carts: 0}}}")

    assert problems_of("recommend.for_you.weights.purchases=0", files=(path,)) == [
        "recommend.for_you.weights: at least one must be above 0, got only 0  (mine.yaml, --set)"
    ]


def test_items_of_a_list_are_named_by_their_place(written, problems_of):
    path = written("ingest: {inputs: [{feed: shoal, path: a}, {feed: '', pth: b}, 5]}")

    assert problems_of(files=(path,)) == [
        'ingest.inputs[1].feed: must be text that is not empty, got ""  (mine.yaml)',
        "ingest.inputs[1].path: is missing  (mine.yaml)",
        "ingest.inputs[1].pth: unknown setting; did you mean path?  (mine.yaml)",
        "ingest.inputs[2]: must be a mapping of settings, got 5  (mine.yaml)",
    ]


def test_one_bad_item_does_not_make_a_list_too_short(problems_of):
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
def test_an_unknown_setting_is_refused_with_the_nearest_one(problems_of, given, meant):
    (found,) = problems_of(given)

    assert found.endswith(f": unknown setting; did you mean {meant}?  (--set)")


def test_where_no_setting_is_near_those_that_exist_are_listed(problems_of):
    assert problems_of("publish.zzz=1") == [
        "publish.zzz: unknown setting; there are hold_out_salt, hold_out_share, max_retries  (--set)"
    ]


def test_a_section_that_a_file_flattens_is_told_even_if_values_follow(written, problems_of):
    path = written("features:\n")

    (found,) = problems_of("features.tile_buckets=4", files=(path,))
    assert found.startswith("features: must be a mapping of settings, got null")


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
        "segments.default.inputs: recency_day is no numeric column of features.users, nor in features.own",
        "propensity.buys_30d.inputs: is_buyer is no numeric column of features.users, nor in features.own",
        "propensity.buys_30d.inputs: last_order_at is no numeric column of features.users, nor in features.own",
        "recommend.for_you.weights: view is no count column of features.user_item_days",
        "recommend.for_you.weights: gross is no count column of features.user_item_days",
        "recommend.for_you.weights: bucket is no count column of features.user_item_days",
    ]
    assert "did you mean recency_days?" in str(refused.value)
    assert refused.value.exit_code == 2
