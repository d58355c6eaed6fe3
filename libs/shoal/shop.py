"""What is settled once about the shop: its time zone and its currency, in ``ops.lake``."""

from pyspark.sql import DataFrame

from shoal.errors import ConfigError
from shoal.lake import Lake
from shoal.params import ShopParams
from shoal.runs import Run
from shoal.sources import Feed
from shoal.sources.mapping import Shop, main_currency


def settle(lake: Lake, params: ShopParams, feed: Feed, raw: DataFrame, run: Run) -> Shop:
    """The shop's zone and currency: those of the lake, else of the settings, else of this first feed.

    Raises:
        ConfigError: the settings say another zone or currency than the lake has kept.
    """
    facts = lake.facts()
    zone = facts.get("time_zone")
    if zone is None:
        zone, reason = _chosen(params.time_zone, feed.time_zone or "UTC", feed)
        zone = lake.settle("time_zone", zone, reason)
        run.note(f"the shop's days are those of {zone} ({reason})")
    currency = facts.get("currency")
    if currency is None:
        wanted = params.currency or main_currency(raw, feed)
        if wanted is not None:
            _, reason = _chosen(params.currency, wanted, feed)
            currency = lake.settle("currency", wanted, reason)
            run.note(f"the shop's money is {currency} ({reason})")
    for name, wanted, kept in (
        ("time_zone", params.time_zone, zone),
        ("currency", params.currency, currency),
    ):
        if wanted is not None and wanted != kept:
            raise ConfigError(
                f"shop.{name}: the lake {lake.location} was made with {kept}, the settings say {wanted}; "
                "it cannot change, as stored days and sums depend on it"
            )
    return Shop(zone, currency)


def _chosen(setting: str | None, other: str, feed: Feed) -> tuple[str, str]:
    return (setting, "from the settings") if setting else (other, f"from the lake's first feed, {feed.name}")
