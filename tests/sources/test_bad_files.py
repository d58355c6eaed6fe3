"""Every kind of bad file is refused with its name, and what is no worse than odd is taken, row by row."""

import os
from collections import Counter, defaultdict

import pytest
from bad_files import BAD_INPUTS, ODD_FILES, bad_tables
from pyspark.sql import functions as F

from shoal.config import load_config
from shoal.errors import ShoalError
from shoal.lake import Lake
from shoal.reports.trying_feeds import checked_feed
from shoal.sources import FEEDS
from shoal.sources.mapping import Shop


@pytest.fixture
def refusal(spark, tmp_path):
    """``refusal(feed, input)``: the error with which `shoal feed check` refuses an input."""

    def refused(feed, given):
        with pytest.raises(ShoalError) as caught:
            checked_feed(Lake(spark, str(tmp_path / "lake")), load_config(), feed, given)
        return caught.value

    return refused


@pytest.mark.parametrize(
    "bad", [pytest.param(bad, marks=[pytest.mark.long] * bad.is_read, id=bad.what) for bad in BAD_INPUTS]
)
def test_a_bad_input(refusal, tmp_path, bad):
    if bad.needs_user and os.getuid() == 0:
        pytest.skip("root may read everything")
    (tmp_path / "landing").mkdir()
    given = bad.write(tmp_path / "landing")

    error = refusal(bad.feed, given)

    assert error.exit_code == bad.code, error
    assert bad.says in str(error)
    assert given in str(error), "the message names the place"
    assert len(str(error)) < 1000, "and is no dump"


def test_a_bad_delta_table(spark, refusal, tmp_path):
    wrong = {}
    for what, path, says in bad_tables(spark, tmp_path / "tables"):
        error = refusal("shoal", str(path))
        if error.exit_code != 3 or says not in str(error) or str(path) not in str(error):
            wrong[what] = str(error)

    assert not wrong


@pytest.mark.parametrize("feed", ["retailrocket", "shoal"])
def test_what_is_only_odd_is_read_together_and_every_row_is_counted(stored, judge, tmp_path, feed):
    files = [odd for odd in ODD_FILES if odd.feed == feed]
    for odd in files:
        (tmp_path / odd.name).write_bytes(odd.content)

    events = judge(stored(FEEDS[feed], tmp_path), FEEDS[feed], Shop("UTC", None))

    counted = defaultdict(Counter)
    for row in events.groupBy("source_file", (F.size("reasons") == 0).alias("is_good")).count().collect():
        counted[row["source_file"]][row["is_good"]] = row["count"]
    found = {odd.what: (counted[f"{tmp_path}/{odd.name}"][True], counted[f"{tmp_path}/{odd.name}"][False])
             for odd in files}  # fmt: skip
    assert found == {odd.what: (odd.good, odd.bad) for odd in files}
    assert len(counted) == len(files)
