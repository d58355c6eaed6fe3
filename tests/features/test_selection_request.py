"""What is asked of the report of features, before Spark starts."""

import pytest

from shoal.config import load_config
from shoal.errors import ConfigError
from shoal.features.selection_request import asked


def request(*labels, sets=()):
    config = load_config(sets=sets, lake="lake")
    return asked(config, run_id=None, labels=labels, by="spearman", threshold=0.95, sample=1000, seed=1)


def test_by_default_it_is_told_what_the_propensities_foretell():
    assert request().horizons == (30,)
    assert request(sets=["propensity.buys_30d.horizon_days=14"]).horizons == (14,)


def test_days_are_taken_once_each_in_their_order():
    found = request("bought_within:30", "bought_within:7", "bought_within:030")

    assert (found.horizons, found.file) == ((7, 30), None)


def test_a_file_or_nothing_may_be_named_in_their_place():
    assert request("README.md").file == "README.md"
    assert request("s3a://bucket/labels").file == "s3a://bucket/labels"
    assert (request("none").horizons, request("none").file) == ((), None)


def test_all_that_is_wrong_with_labels_is_said_at_once():
    with pytest.raises(ConfigError) as error:
        request("bought_within:0", "bought_within:soon", "no_such.csv")

    said = str(error.value)
    assert "bought_within:0: must be between 1 and 730 days" in said
    assert "bought_within:soon: write it like bought_within:30" in said
    assert "no_such.csv: is neither a file that exists" in said
    assert "not several of these" in said
