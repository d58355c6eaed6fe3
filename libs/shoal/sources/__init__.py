"""Foreign feeds as canonical events: one small file per feed."""

import difflib

from shoal.errors import ConfigError
from shoal.sources.feed import Feed, RawColumn
from shoal.sources.ga4 import GA4
from shoal.sources.online_retail import ONLINE_RETAIL
from shoal.sources.rees46 import REES46
from shoal.sources.retailrocket import RETAILROCKET
from shoal.sources.segment import SEGMENT
from shoal.sources.shoal import SHOAL
from shoal.sources.snowplow import SNOWPLOW
from shoal.sources.taobao import TAOBAO

FEEDS = {feed.name: feed for feed in (SHOAL, ONLINE_RETAIL, REES46, RETAILROCKET, TAOBAO, SEGMENT, GA4, SNOWPLOW)}


def feed_named(name: str) -> Feed:
    """The feed of that name.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    if name in FEEDS:
        return FEEDS[name]
    near = difflib.get_close_matches(name, FEEDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FEEDS)}"
    raise ConfigError(f"unknown feed {name!r}; {hint}")


__all__ = ["FEEDS", "Feed", "RawColumn", "feed_named"]
