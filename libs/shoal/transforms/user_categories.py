"""features.user_item_days, silver.items -> features.user_categories: what a user likes more than others do.

How much a user likes a category is how many lines were bought of it over how many the shop's mix would make expected,
both with ``prior`` lines besides: (lines + prior) / (lines of all kinds x the category's share in the shop + prior).
It is the mean of a rate with a gamma prior about 1 (DuMouchel 1999, "Bayesian data mining in large frequency tables"):
with a prior of 5, one line of a category that hardly anybody buys makes 1.2, twenty where two were expected make 3.6,
and of who has bought nothing it is 1. Without the prior one line would make a thousand.
"""

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.frames import three_digits
from shoal.params import AffinityParams
from shoal.tables import USER_CATEGORIES
from shoal.tables.vocabulary import TASTE_FACETS
from shoal.transforms.catalogue import described
from shoal.transforms.cuts import Cut

_OF_USER = ["user_id", "facet"]
_NAMED = ["facet", "name"]
_LEAST_DAYS = 4  # with a purchase: were buying chance, 10 % of three gaps would look regular, and 29 % of two
_REGULAR = 0.3  # spread of the gaps over their mean; where buying were chance, it is about 1


def met(
    item_days: DataFrame, items: DataFrame, users: DataFrame, *, as_of: date | None, params: AffinityParams
) -> DataFrame:
    """What each user did with goods of each category and brand; :func:`user_categories` reads it thrice: keep it.

    One shuffle by user carries the tiles to where their days are put together.

    Args:
        item_days: rows of ``features.user_item_days``.
        items: the catalogue, as :func:`~shoal.transforms.catalogue.described` takes it.
        users: ``user_id`` of those who are looked at, and who make the shop's mean.
        as_of: first shop-local day that must *not* be seen; None: of each row its own, of the users too.

    Returns:
        ``user_id``, ``facet``, ``name``, ``lines``, ``looks``, ``last_met`` and ``_days`` (array of those with a
        purchase, ascending); with ``as_of`` where each row has its own.
    """
    cut = Cut(as_of)
    by_user = ["user_id", *cut.own]
    told = cut.before(item_days).where("purchases + views + carts > 0")
    levels = F.split("category", "/")
    cut_off = F.array_join(F.slice(levels, 1, params.category_levels), "/")
    known = items.withColumn("category", cut_off).where("category IS NOT NULL OR brand IS NOT NULL")
    of_items = described(told, known, [*TASTE_FACETS], cut).where("category IS NOT NULL OR brand IS NOT NULL").select(
        *by_user, "event_date", "category", "brand", F.col("purchases").alias("lines"),
        F.expr("views + carts").alias("looks"),
    )  # fmt: skip
    facets = F.array(*(F.struct(F.lit(each).alias("facet"), F.col(each).alias("name")) for each in TASTE_FACETS))
    of_days = (
        of_items.repartition("user_id")
        .join(users, on=by_user, how="left_semi")
        .select(*by_user, "event_date", "lines", "looks", F.inline(facets))
        .where("name IS NOT NULL")
        .groupBy(*_OF_USER, *cut.own, "name", "event_date")
        .agg(F.sum("lines").alias("lines"), F.sum("looks").alias("looks"))
    )
    bought_on = F.when(F.col("lines") > 0, F.col("event_date"))
    return of_days.groupBy(*_OF_USER, *cut.own, "name").agg(
        F.sum("lines").alias("lines"),
        F.sum("looks").alias("looks"),
        F.max("event_date").alias("last_met"),
        F.array_sort(F.collect_list(bought_on)).alias("_days"),
    )


def user_categories(found: DataFrame, *, as_of: date | None, run_id: str | Column, params: AffinityParams) -> DataFrame:
    """The strongest categories and brands of each user, beside those of all.

    Args:
        found: of :func:`met`.
        as_of: as there.
        run_id: the run; where there are many cuts, a column of them.

    Returns:
        Rows of ``features.user_categories``.
    """
    cut = Cut(as_of)
    of_user, named = [*_OF_USER, *cut.own], [*_NAMED, *cut.own]
    of_name = found.groupBy(*named).agg(F.sum("lines").alias("_sold"))
    of_facet = F.sum("_sold").over(Window.partitionBy("facet", *cut.own))  # as many rows as categories and brands
    shop = of_name.select(*named, (F.col("_sold") / F.nullif(of_facet, F.lit(0))).alias("_usual"))
    bought = F.sum("lines").over(Window.partitionBy(*of_user))
    prior = F.lit(float(params.prior_lines))
    affinity = (F.col("lines") + prior) / (F.col("_bought") * F.coalesce("_usual", F.lit(0.0)) + prior)
    liked = (
        found.withColumn("_bought", bought)
        .join(F.broadcast(shop), on=named, how="left")
        .withColumn("affinity", affinity)
        .withColumn("_rounded", three_digits(F.col("affinity")))
    )
    best_first = [F.desc("affinity"), F.desc("lines"), F.desc("looks"), F.col("name")]
    rank = F.row_number().over(Window.partitionBy(*of_user).orderBy(*best_first))
    strongest = liked.withColumn("rank", rank).where(F.col("rank") <= params.most)
    placed = strongest.join(_percentiles(liked, named), on=[*named, "_rounded"], how="left")
    return USER_CATEGORIES.select(_rhythm(placed).withColumns({
        "run_id": F.lit(run_id),
        "as_of": cut.column,
        "share": F.col("lines") / F.nullif("_bought", F.lit(0)),
        "days_bought": F.size("_days").cast("bigint"),
        "first_bought": F.try_element_at("_days", F.lit(1)),
        "last_bought": F.try_element_at("_days", F.lit(-1)),
    }))  # fmt: skip


def _percentiles(liked: DataFrame, named: list[str]) -> DataFrame:
    """Where an affinity stands among the users who met the name: those below, and half of those alike.

    Affinities are rounded to three digits and counted first, so that of a category that millions have met a few
    thousand values are put in order.
    """
    counts = liked.groupBy(*named, "_rounded").agg(F.count(F.lit(1)).alias("_alike"))
    by_name = Window.partitionBy(*named)
    to_here = by_name.orderBy("_rounded").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    below = F.sum("_alike").over(to_here) - F.col("_alike") / 2
    return counts.select(*named, "_rounded", (below / F.sum("_alike").over(by_name)).alias("percentile"))


def _rhythm(rows: DataFrame) -> DataFrame:
    """With how the days with a purchase follow each other, and the next that is due where they do so evenly."""
    gaps = F.expr(
        "CASE WHEN size(_days) >= 3 THEN array_sort(transform(sequence(1, size(_days) - 1), "
        "n -> CAST(datediff(_days[n], _days[n - 1]) AS DOUBLE))) END"
    )
    mean = "aggregate(_gaps, 0D, (so_far, gap) -> so_far + gap) / size(_gaps)"
    spread = "sqrt(aggregate(_gaps, 0D, (so_far, gap) -> so_far + power(gap - _mean, 2)) / size(_gaps))"
    return (
        rows.withColumn("_gaps", gaps)
        .withColumn("_mean", F.expr(mean))
        .withColumn("interval_days", F.expr("(_gaps[(size(_gaps) - 1) DIV 2] + _gaps[size(_gaps) DIV 2]) / 2"))
        .withColumn("interval_variation", F.expr(spread) / F.col("_mean"))
        .withColumn("due_on", _due())
    )


def _due() -> Column:
    is_regular = (F.size("_days") >= _LEAST_DAYS) & (F.col("interval_variation") <= _REGULAR)
    last = F.try_element_at("_days", F.lit(-1))
    return F.when(is_regular, F.date_add(last, F.round("interval_days").cast("int")))
