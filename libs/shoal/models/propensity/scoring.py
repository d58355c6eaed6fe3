"""features.users -> the probability, decile and drivers of each user."""

from collections.abc import Sequence
from functools import reduce
from operator import add

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.frames import persisted
from shoal.models.propensity.bins import WIDEST, logit_of
from shoal.models.propensity.learning import Learned
from shoal.models.propensity.model import LOGISTIC_REGRESSION, PropensityModel

DRIVERS = 3  # what a person takes in at a glance
DECILES = 10

_DRIVER_TYPE = "array<struct<feature:string,effect:double>>"
_FRACTION_BITS = 24  # of the log-odds in a key; 6 more hold -32..32, 32 more the hash: 62 in all
_HASH_BITS = 32
_SHIFTS = (48, 36, 24, 12, 0)  # how many bits of a key each pass leaves out


def score(learned: Learned | PropensityModel, users: DataFrame) -> DataFrame:
    """Say how likely each user is to do it within the horizon.

    Deciles are tenths of these users; their sizes differ by one user at most. A decile never holds a user
    less likely than one in a later decile (to 6e-8 in log-odds); of equally likely users at an edge a hash
    of user_id decides, so a baseline's deciles are a draw.

    The edges are found at once, in a few passes over one number per user; the rows are computed when read.

    Args:
        learned: what :func:`learn` gave, or a model alone.
        users: rows of ``features.users``, one per user; user_id and the model's columns are read.

    Returns:
        ``user_id``; ``probability`` within 0..1; ``decile`` from 1, the most likely tenth, to 10;
        ``drivers``, up to three columns with their effect in log-odds against the average user, the
        strongest first and none for a baseline; ``source``, the model's name or the baseline's.
    """
    if isinstance(learned, PropensityModel):
        return score(Learned(learned, LOGISTIC_REGRESSION, learned.base_rate), users)
    if learned.model is not None:
        logit = learned.model.logit
        return _scored(users, logit, _probability(logit), _drivers(learned.model), learned.source)
    rate = learned.base_rate
    nothing = F.array().cast(_DRIVER_TYPE)
    return _scored(users, F.lit(logit_of(rate)), F.lit(rate), nothing, learned.source)


def _scored(users: DataFrame, logit: Column, probability: Column, drivers: Column, source: str) -> DataFrame:
    keyed = users.select(_key(logit).alias("key"))
    with persisted(keyed) as keys:
        edges = _edges(keys)
    later = (F.lit(edge) < _key(logit) for edge in edges)
    decile = reduce(add, (is_later.cast("int") for is_later in later), F.lit(1))
    return users.select(
        "user_id",
        probability.alias("probability"),
        decile.alias("decile"),
        drivers.alias("drivers"),
        F.lit(source).alias("source"),
    )


def _probability(logit: Column) -> Column:
    return 1 / (1 + F.exp(-logit))


def _drivers(model: PropensityModel) -> Column:
    """The columns that move a user's log-odds most; of equal effects, the one whose name comes first."""
    sized = F.array(
        *(
            F.struct((-F.abs(effect)).alias("size"), F.lit(name).alias("feature"), effect.alias("effect"))
            for name, effect in model.effects.items()
        )
    )
    strongest = F.slice(F.array_sort(sized), 1, DRIVERS)
    moving = F.filter(strongest, lambda driver: driver["effect"] != 0)
    return F.transform(moving, lambda driver: F.struct(driver["feature"], driver["effect"])).cast(_DRIVER_TYPE)


def _key(logit: Column) -> Column:
    """One whole number per user: the less likely the greater, and in no order among equals."""
    within = F.least(F.greatest(-logit, F.lit(-WIDEST)), F.lit(WIDEST)) + F.lit(WIDEST)
    steps = F.floor(within * F.lit(float(1 << _FRACTION_BITS))).cast("bigint")
    draw = F.shiftrightunsigned(F.xxhash64(F.lit("decile"), F.col("user_id")), 64 - _HASH_BITS)
    return F.shiftleft(steps, _HASH_BITS).bitwiseOR(draw)


def _edges(keys: DataFrame) -> list[int]:
    """The last key of each decile but the tenth; empty without users."""
    users = keys.count()
    if not users:
        return []
    # Rounded up, so that the last user of a decile is whole; counted from 1.
    ranks = [-(-users * decile // DECILES) for decile in range(1, DECILES)]
    return _keys_at(keys, ranks)


def _keys_at(keys: DataFrame, ranks: Sequence[int]) -> list[int]:
    """The keys that have these ranks among all, counted from 1: radix selection.

    Each pass counts the keys by a few more of their leading bits, and only those that share their leading
    bits with a wanted one: the driver sees at most some 37,000 counts, however many keys there are.
    """
    found = [(0, rank) for rank in ranks]  # leading bits known so far, rank among the keys that have them
    before = _SHIFTS[0] + 16  # bits left out so far: all of them
    for shift in _SHIFTS:
        wanted = sorted({leading for leading, _ in found})
        inside = keys.where(F.shiftright("key", before).isin(wanted)) if shift != _SHIFTS[0] else keys
        counted = inside.groupBy(F.shiftright("key", shift).alias("leading")).count().collect()
        counts = sorted((row["leading"], row["count"]) for row in counted)
        width = before - shift
        found = [
            _descend([(child, n) for child, n in counts if child >> width == leading], rank) for leading, rank in found
        ]
        before = shift
    return [key for key, _ in found]


def _descend(counts: Sequence[tuple[int, int]], rank: int) -> tuple[int, int]:
    """Which of these leading bits the key of a rank has, and its rank among their keys."""
    for leading, count in counts:
        if rank <= count:
            return leading, rank
        rank -= count
    raise AssertionError("the counts are of all keys, so no rank lies beyond them")
