"""Foreign feeds as canonical events and changes: one small file per feed."""

from shoal.errors import ConfigError, did_you_mean
from shoal.sources.feed import Feed, RawColumn
from shoal.sources.ga4 import GA4
from shoal.sources.online_retail import ONLINE_RETAIL
from shoal.sources.rees46 import REES46
from shoal.sources.retailrocket import RETAILROCKET, RETAILROCKET_CATEGORIES, RETAILROCKET_ITEMS
from shoal.sources.segment import SEGMENT
from shoal.sources.shoal import SHOAL, SHOAL_CATEGORIES, SHOAL_ITEMS, SHOAL_USERS
from shoal.sources.snowplow import SNOWPLOW
from shoal.sources.taobao import TAOBAO

FEEDS = {
    feed.name: feed
    for feed in (
        SHOAL, SHOAL_ITEMS, SHOAL_USERS, SHOAL_CATEGORIES, ONLINE_RETAIL, REES46, RETAILROCKET, RETAILROCKET_ITEMS,
        RETAILROCKET_CATEGORIES, TAOBAO, SEGMENT, GA4, SNOWPLOW,
    )
}  # fmt: skip


def feed_named(name: str) -> Feed:
    """The feed of that name.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    if name in FEEDS:
        return FEEDS[name]
    raise ConfigError(f"unknown feed {name!r}{did_you_mean(name, FEEDS)}")


__all__ = ["FEEDS", "Feed", "RawColumn", "feed_named"]
