"""Zone and currency: who says them, and that they never change."""

from datetime import UTC, datetime

import pytest

from shoal.books import facts
from shoal.books.runs import Run
from shoal.errors import ConfigError, RaceError
from shoal.lake import Lake
from shoal.params import ShopParams
from shoal.sources import feed_named
from shoal.validate.shop import propose, settle

FEED = feed_named("online_retail")  # says Europe/London and GBP


@pytest.fixture
def lake(spark, tmp_path):
    return Lake(spark, str(tmp_path / "lake"))


def proposed(lake, time_zone=None, currency=None):
    raw = lake.frame(FEED.table, [])
    return propose(lake, ShopParams(time_zone=time_zone, currency=currency), FEED, raw)


def test_the_first_feed_says_what_no_setting_says(lake):
    shop = proposed(lake, currency="EUR").shop

    assert (shop.time_zone, shop.currency) == ("Europe/London", "EUR")
    assert not facts.known(lake), "proposed is not settled"


def test_what_was_settled_holds_and_another_setting_is_refused(lake):
    said = []
    run = Run(job="validate", started_at=datetime(2025, 3, 1, tzinfo=UTC), tell=lambda _, text: said.append(text))
    settle(lake, proposed(lake, time_zone="Asia/Tokyo"), run)

    assert facts.known(lake) == {"time_zone": "Asia/Tokyo", "currency": "GBP"}
    assert said == [
        "the shop's days are those of Asia/Tokyo (from the settings)",
        "the shop's money is GBP (from the first feed, online_retail)",
    ]
    assert proposed(lake).unsettled == {}
    with pytest.raises(ConfigError, match="was made with Asia/Tokyo, the settings say Europe/Paris"):
        proposed(lake, time_zone="Europe/Paris")


def test_who_is_overtaken_by_other_settings_goes_no_further(lake):
    run = Run(job="validate", started_at=datetime(2025, 3, 1, tzinfo=UTC), tell=lambda *_: None)
    late = proposed(lake, time_zone="Asia/Tokyo")
    settle(lake, proposed(lake, time_zone="Europe/Paris"), run)

    with pytest.raises(RaceError, match="has just settled Europe/Paris, this one Asia/Tokyo"):
        settle(lake, late, run)
