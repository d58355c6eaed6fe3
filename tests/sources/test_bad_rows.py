"""Every kind of bad row is rejected for every rule that it breaks and for no other; what only looks odd is taken."""

import os

import pytest
from bad_rows import BAD_FILES, DELIVERED

from shoal.sources import FEEDS
from shoal.sources.mapping import Shop


@pytest.fixture
def found(stored, judge, tmp_path):
    """``found(file)``: of each line the rules that its row breaks."""

    def reasons(bad, name=None):
        path = tmp_path / (name or bad.name)
        path.write_bytes(bad.content)
        os.utime(path, (DELIVERED.timestamp(), DELIVERED.timestamp()))
        feed = FEEDS[bad.feed]
        events = judge(stored(feed, path), feed, Shop(feed.time_zone or "UTC", bad.currency))
        first = 1 if bad.header is None else 2
        return {row.position - first: {*row.reasons} for row in events.select("position", "reasons").collect()}

    return reasons


@pytest.mark.parametrize("bad", BAD_FILES, ids=lambda bad: bad.name)
def test_each_row_breaks_the_rules_of_its_kind(found, bad):
    reasons = found(bad)

    wrong = {row.what: (reasons[n], {*row.reasons}) for n, row in enumerate(bad.rows) if reasons[n] != row.reasons}
    assert not wrong, "\n".join(f"{what}: {was} instead of {told}" for what, (was, told) in wrong.items())
    assert len(reasons) == len(bad.rows), "no row is lost, none is made"
