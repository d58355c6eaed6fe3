"""The articles: eight tastes of three price tiers each. Everything about an article follows from its index.

Index -> (taste, tier, rank): ``index = (rank * TIERS + tier) * TASTES + taste``. So a visit needs no join to know
what it looked at, and any number of articles falls into pools of nearly the same size.
"""

import math

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from shoal.synthetic.draws import Draw, below, pick, zipf_rank

# taste: category path, mean price of a standard article in EUR, ten things
_TASTES: tuple[tuple[str, str, float, tuple[str, ...]], ...] = (
    ("garden", "Home/Garden", 18.0, ("watering can", "trowel", "planter", "seed box", "bird feeder",
                                     "garden fork", "hose", "lantern", "wind chime", "apron")),
    ("kitchen", "Home/Kitchen", 20.0, ("saucepan", "teapot", "bread bin", "chopping board", "mixing bowl",
                                       "pepper mill", "cake tin", "ladle", "colander", "storage jar")),
    ("outdoor", "Sport/Outdoor", 24.0, ("rucksack", "water bottle", "head torch", "camping mug", "rain jacket",
                                        "walking pole", "compass", "hammock", "bivouac bag", "stove")),
    ("reading", "Books/Reading", 16.0, ("novel", "atlas", "cookbook", "diary", "bookmark set",
                                        "field guide", "biography", "poetry book", "reading lamp", "bookend")),
    ("crafts", "Hobby/Crafts", 17.0, ("yarn", "sewing box", "paint set", "felt pack", "bead kit",
                                      "knitting needles", "stamp set", "loom", "glue gun", "pattern book")),
    ("fitness", "Sport/Fitness", 22.0, ("yoga mat", "skipping rope", "kettlebell", "foam roller", "towel",
                                        "resistance band", "running belt", "balance board", "gym bag", "timer")),
    ("toys", "Family/Toys", 19.0, ("puzzle", "building blocks", "doll", "train set", "spinning top",
                                   "board game", "kite", "marble run", "drum", "puppet")),
    ("coffee", "Food/Coffee", 21.0, ("espresso beans", "filter coffee", "hand grinder", "milk jug", "coffee pot",
                                     "cup set", "tamper", "drip filter", "cold brew jar", "coffee scale")),
)  # fmt: skip
_STYLES = ("Classic", "Copper", "Oak", "Blue", "Striped", "Folding", "Little", "Vintage", "Nordic", "Green")
_BRANDS = ("Alder & Co", "Brightwater", "Corvid", "Dunmore", "Eastlight", "Fennel", "Grayling", "Harbour",
           "Islay", "Juniper", "Kestrel", "Lark Hill")  # fmt: skip
_TIER_NAMES = ("budget", "standard", "premium")
_TIER_FACTORS = (0.35, 1.0, 2.4)  # of the taste's mean price
_PRICE_SPREAD = 0.15  # prices of a pool lie within this share of its mean
_ZIPF_EXPONENT = 0.8  # of popularity within a pool; near 1, as in most shops

TASTES = tuple(taste[0] for taste in _TASTES)
TIERS = len(_TIER_NAMES)
POOLS = len(TASTES) * TIERS  # also the least number of articles


def item_index(taste: Column, tier: Column, uniform: Column, items: int) -> Column:
    """An article of this taste and tier, popular ones more often: Zipf within its pool."""
    pool = tier * len(TASTES) + taste
    return zipf_rank(uniform, _pool_size(pool, items), _ZIPF_EXPONENT) * POOLS + pool


def item_id(index: Column, items: int) -> Column:
    """Text such as ``i00042``. The numbers are scrambled, so that their order says nothing about popularity."""
    number = (index.cast("long") * _coprime(items)) % items
    return F.concat(F.lit("i"), F.lpad(number.cast("string"), max(5, len(str(items - 1))), "0"))


def list_price_cents(draw: Draw, index: Column) -> Column:
    """Price per piece before any discount, whole cents."""
    means = [100 * taste[2] for taste in _TASTES]
    spread = 1 - _PRICE_SPREAD + 2 * _PRICE_SPREAD * draw("price", index)
    return F.floor(pick(_taste(index), means) * pick(_tier(index), _TIER_FACTORS) * spread).cast("long")


def title(index: Column) -> Column:
    """Text such as ``Copper watering can``; from the hundredth article of a taste on with a series: ``... II``."""
    number = _div(index, len(TASTES))  # of the article within its taste
    things = [thing for taste in _TASTES for thing in taste[3]]
    series = _div(number, 100)
    return F.concat(
        pick(_div(number, 10) % len(_STYLES), _STYLES),
        F.lit(" "),
        pick(_taste(index) * 10 + number % 10, things),
        F.when(series > 0, F.concat(F.lit(" No. "), (series + 1).cast("string"))).otherwise(F.lit("")),
    )


def category(index: Column) -> Column:
    """Category path of the article's taste."""
    return pick(_taste(index), [taste[1] for taste in _TASTES])


def brand(draw: Draw, index: Column) -> Column:
    """Brand, drawn once per article."""
    return pick(below(draw("brand", index), len(_BRANDS)), _BRANDS)


def catalogue(spark: SparkSession, draw: Draw, items: int) -> DataFrame:
    """truth.items: one row per article; ``popularity_rank`` is 1 for the most popular of its taste and tier."""
    index = F.col("id")
    return spark.range(items).select(
        item_id(index, items).alias("item_id"),
        pick(_taste(index), TASTES).alias("taste"),
        pick(_tier(index), _TIER_NAMES).alias("tier"),
        (_div(index, POOLS) + 1).cast("int").alias("popularity_rank"),
        title(index).alias("title"),
        category(index).alias("category"),
        brand(draw, index).alias("brand"),
        euros(list_price_cents(draw, index)).alias("list_price"),
    )


def euros(cents: Column) -> Column:
    """Whole cents as money."""
    return (cents.cast("decimal(16,0)") / 100).cast("decimal(18,6)")


def _taste(index: Column) -> Column:
    return index % len(TASTES)


def _tier(index: Column) -> Column:
    return _div(index, len(TASTES)) % TIERS


def _pool_size(pool: Column, items: int) -> Column:
    """How many of ``items`` indexes are ``pool`` modulo ``POOLS``."""
    return _div(F.lit(items - 1) - pool, POOLS) + 1


def _div(number: Column, by: int) -> Column:
    """Whole-number division of numbers that are not negative."""
    return F.floor(number / by)


def _coprime(items: int) -> int:
    """A multiplier near the golden section of ``items`` that has no factor in common with it."""
    near = max(1, round(items * 0.618))
    return next(n for n in range(near, near + items + 1) if math.gcd(n, items) == 1)
