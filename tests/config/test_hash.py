"""The hash of the settings, and which of them it sees."""

import json
import re

import pytest

from shoal.config import load_config, row_changing, settings_hash


def hash_of(*sets: str) -> str:
    return settings_hash(load_config(sets=sets))


ROW_CHANGING = [
    ("strict", "true"),
    ("shop.currency", "EUR"),
    ("validate.max_rejected_share", "0.1"),
    ("features.tile_buckets", "8"),
    ("features.session_gap_minutes", "45"),
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
        "ingest.changed_files=refuse",
        "publish.max_retries=9",
        "validate.min_volume_share=0",
        "validate.band_width=6",
        "validate.calendar=[{name: Christmas, from: 2025-12-25}]",
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
