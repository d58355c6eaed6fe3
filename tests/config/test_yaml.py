"""What YAML makes of what was written, and files and options that hold no settings."""

import pytest

from shoal.config import load_config

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
def test_a_trap_of_yaml_is_shown(problems_of, given, said):
    assert problems_of(given) == [f"{given.partition('=')[0]}: {said}  (--set)"]


def test_a_number_that_is_not_finite_is_refused(problems_of):
    (found,) = problems_of("propensity.buys_30d.reg=.inf")

    assert found.startswith("propensity.buys_30d.reg: must be a finite number, got Infinity")


def test_a_trap_inside_a_list_is_shown_where_it_is(written, problems_of):
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
        ("strict: !!bool perhaps\n", "not YAML, line 1: not of the type bool"),
        ("lake: !!timestamp soon\n", "not YAML, line 1: not of the type timestamp"),
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
def test_a_file_that_holds_no_settings_is_refused(written, problems_of, content, said):
    assert problems_of(files=(written(content),)) == [f"mine.yaml: {said}"]


def test_a_folder_is_not_a_file(tmp_path, problems_of):
    folder = tmp_path / "folder"
    folder.mkdir()

    assert problems_of(files=(folder,)) == ["folder: is a directory"]


def test_a_key_that_is_given_twice_is_refused(written, problems_of):
    path = written("features:\n  tile_buckets: 8\nshop: {currency: EUR, currency: USD}\nfeatures: {}\n")

    assert problems_of(files=(path,)) == [
        "shop.currency: given twice, on line 3 and on line 3  (mine.yaml)",
        "features: given twice, on line 1 and on line 4  (mine.yaml)",
    ]


def test_a_key_that_is_given_twice_within_one_value_is_refused(problems_of):
    assert problems_of("segments.default={k: 5, k: 6}") == [
        "segments.default.k: given twice, on line 1 and on line 1  (--set)"
    ]


def test_keys_are_text(written, problems_of):
    path = written("lake: a\nshop:\n  on: 1\n3: 4\n")

    assert problems_of(files=(path,)) == [
        "shop: a key must be text, got true (what YAML makes of on; quotes make it text) on line 3  (mine.yaml)",
        "a key must be text, got 3 on line 4  (mine.yaml)",
    ]


@pytest.mark.parametrize("given", ["lake", "=3", "features..tile_buckets=3", ".lake=a", "spark.=1", ""])
def test_a_value_without_its_key_is_refused(problems_of, given):
    assert problems_of(given) == [f"--set {given}: must be written KEY.PATH=VALUE".strip()]


def test_a_value_that_is_not_yaml_is_refused(problems_of):
    (found,) = problems_of("features.tile_buckets=[1")

    assert found.startswith("--set features.tile_buckets: not YAML, line 1: ")
