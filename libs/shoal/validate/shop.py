"""What is settled once about the shop: its time zone and its currency, in ``ops.lake``."""

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame

from shoal.books import facts
from shoal.books.runs import Run
from shoal.errors import ConfigError, RaceError
from shoal.lake import Lake
from shoal.params import ShopParams
from shoal.sources import Feed
from shoal.sources.mapping import Shop, main_currency


@dataclass(frozen=True)
class Proposal:
    """The shop as a batch is judged by it."""

    shop: Shop
    unsettled: dict[str, tuple[str, str]]  # fact that the lake does not keep yet -> its value, and where it came from


def propose(lake: Lake, params: ShopParams, feed: Feed, raw: DataFrame) -> Proposal:
    """The shop's zone and currency: those of the lake, else of the settings, else of this first feed.

    Raises:
        ConfigError: the settings say another zone or currency than the lake has kept.
    """
    kept = facts.known(lake)
    settings = {"time_zone": params.time_zone, "currency": params.currency}
    of_feed: dict[str, Callable[[], str | None]] = {
        "time_zone": lambda: feed.time_zone or "UTC",
        "currency": lambda: main_currency(raw, feed),
    }
    unsettled = {}
    for name, wanted in settings.items():
        if name not in kept:
            if value := wanted or of_feed[name]():
                unsettled[name] = (value, "from the settings" if wanted else f"from the first feed, {feed.name}")
        elif wanted not in (None, kept[name]):
            raise ConfigError(
                f"shop.{name}: the lake {lake.location} was made with {kept[name]}, the settings say {wanted}; "
                "it cannot change, as stored days and sums depend on it"
            )
    said = {**{name: value for name, (value, _) in unsettled.items()}, **kept}
    return Proposal(Shop(said["time_zone"], said.get("currency")), unsettled)


def settle(lake: Lake, proposal: Proposal, run: Run) -> None:
    """Keep for ever what the first accepted batch was judged by; a refused one settles nothing.

    Raises:
        RaceError: another run with other settings was first; this one has judged by what does not hold.
    """
    words = {"time_zone": "the shop's days are those of", "currency": "the shop's money is"}
    held = facts.settle(lake, proposal.unsettled)
    for name, (value, reason) in proposal.unsettled.items():
        if held[name] != value:
            raise RaceError(
                f"shop.{name}: another run has just settled {held[name]}, this one {value}; run the command again"
            )
        run.note(f"{words[name]} {value} ({reason})")
