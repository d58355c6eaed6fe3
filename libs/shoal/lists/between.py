"""Between two fits: the model of an earlier run that is kept, who has news since, and users folded into its items."""

from dataclasses import dataclass, replace
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.books import model_store
from shoal.books.model_store import Stored
from shoal.books.runs import Run
from shoal.config import Config
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.lists.assortment import Assortment
from shoal.models import recommend
from shoal.models.metric import Metric
from shoal.models.recommend import AlsModel, FittedAls, LastFactors
from shoal.params import RecommendParams
from shoal.tables import METRICS

STAGE = "recommend"

_MOST_NEWS = 0.5  # share of the users; where more have news, the items' factors tell of another shop
_ONCE_MORE = ("stands_in", "short_lists", "folded_in")  # metrics of the run's lists, not of the model


@dataclass(frozen=True)
class Kept:
    """A model that is kept, and what users have done since its fit."""

    last: Stored[AlsModel]  # what the last release used: the fit itself, or what was folded into it
    factors: DataFrame  # of the fit and of what was folded into it: as of ops.factors, with ``is_own`` of the latter
    users: DataFrame  # user_id, fingerprint, has_news (no factors are of it), is_unchanged (as the last release saw it)
    known: int  # users with a pair of user and item
    with_news: int  # of these

    @property
    def fit(self) -> str:
        """Id of the model whose item factors count."""
        return self.last.model.base or self.last.model_id

    @property
    def clock(self) -> date:
        """The day by which strengths are aged."""
        return _fitted_on(self.last)

    @property
    def items(self) -> DataFrame:
        """The items' factors."""
        return self.factors.where("side = 'item'").select("side", "id", "number", "factor")


def kept_models(lake: Lake, config: Config, run: Run, shop: Assortment) -> dict[str, Kept]:
    """Of each list whose last model is young enough, what is kept; the others are fitted anew, and a note says why."""
    found = {entry: _kept(lake, run, shop, entry, params) for entry, params in config.recommend.items()}
    return {entry: kept for entry, kept in found.items() if kept is not None}


def measured_at_fit(lake: Lake, entry: str, kept: Kept) -> list[Metric]:
    """What a model was worth when it was fitted."""
    of_fit = (F.col("run_id") == model_store.run_of_model(kept.fit)) & (F.col("stage") == STAGE)
    rows = lake.read(METRICS).where(of_fit & (F.col("entry") == entry)).collect()
    note = f"; measured on {kept.clock}, when the model was fitted"
    return [Metric(row["model"], row["metric"], row["value"], f"{row['note']}{note}")
            for row in rows if row["metric"] not in _ONCE_MORE]  # fmt: skip


def to_go_on_from(lake: Lake, run: Run, entry: str, params: RecommendParams) -> LastFactors | None:
    """Factors of the last model, where a fit is to go on from them."""
    last = model_store.last_good(lake, run, STAGE, entry, AlsModel) if params.warm_start else None
    if last is None or last.model.settings != recommend.settings_of(params):
        return None
    rows = model_store.load_factors(lake, last.model_id, last.model.base)
    return LastFactors(last.model_id, rows, params.warm_start)


def fingerprinted(fitted: FittedAls, shop: Assortment, params: RecommendParams) -> DataFrame:
    """The rows of a new model, with what a later run needs to keep it."""
    seen = shop.fingerprints(params, shop.run.day).withColumnRenamed("user_id", "id")
    users = fitted.user_factors.join(seen, "id", how="left")
    return users.unionByName(fitted.item_factors, allowMissingColumns=True)


def folded(kept: Kept, shop: Assortment, params: RecommendParams, shown: str) -> tuple[FittedAls, DataFrame]:
    """The model that is kept, with the factors that users with news have by now.

    Users without news keep theirs, who has no pair any more has none; items that the fit did not know have none yet.

    Returns:
        The model, and rows of ``ops.factors``: of the users that are not as the fit saw them.
    """
    news = kept.users.where("has_news")
    pairs = shop.liked(params, kept.clock).join(news, "user_id", how="left_semi")
    solved = recommend.folded_in(pairs, kept.items, kept.last.model, kept.with_news)
    seen = kept.users.select(F.col("user_id").alias("id"), "fingerprint")
    solved = solved.join(seen, "id", how="inner").withColumns(
        {"side": F.lit("user"), "number": F.lit(0), "is_own": F.lit(True)}
    )
    same = kept.factors.where("side = 'user'").join(seen, ["id", "fingerprint"], how="left_semi")
    users = same.unionByName(solved.checkpoint())
    model = replace(kept.last.model, users=kept.known, base=kept.fit, shown=shown)
    return FittedAls(model, users, kept.items), users.where("is_own").drop("is_own")


def _kept(lake: Lake, run: Run, shop: Assortment, entry: str, params: RecommendParams) -> Kept | None:
    may_be = params.model == recommend.ALS and params.retrain_days
    last = model_store.last_good(lake, run, STAGE, entry, AlsModel) if may_be else None
    if last is None:
        return None
    if last.model.settings != recommend.settings_of(params):
        why = f"the model of {last.as_of} is of other settings"
    elif (age := (run.day - _fitted_on(last)).days) >= params.retrain_days:
        why = f"the model was fitted {age} days ago"
    else:
        kept = _since(lake, shop, params, last)
        if kept.with_news <= _MOST_NEWS * kept.known:
            return kept
        why = f"{kept.with_news:,} of {kept.known:,} users have news since {kept.clock}, or were not looked at then"
    run.note(f"{STAGE}.{entry}: {why}; it is fitted anew")
    return None


def _fitted_on(last: Stored[AlsModel]) -> date:
    return date.fromisoformat(last.model.fitted_on)


def _since(lake: Lake, shop: Assortment, params: RecommendParams, last: Stored[AlsModel]) -> Kept:
    """Who is not as the fit, or the last release, saw them."""
    factors = model_store.own_factors(lake, last.model.base or last.model_id).withColumn("is_own", F.lit(False))
    if last.model.base is not None:
        own = model_store.own_factors(lake, last.model_id).withColumn("is_own", F.lit(True))
        factors = factors.unionByName(own)
    now, then, of_last = F.col("fingerprint"), F.col("at_fit"), F.col("at_last")
    found = (
        shop.fingerprints(params, _fitted_on(last))
        .join(_seen(factors, "NOT is_own", "at_fit"), "user_id", how="left")
        .join(_seen(factors, "is_own", "at_last"), "user_id", how="left")
        .select(
            "user_id",
            "fingerprint",
            (~now.eqNullSafe(then) & ~now.eqNullSafe(of_last)).alias("has_news"),
            now.eqNullSafe(F.coalesce(of_last, then)).alias("is_unchanged"),
        )
    )
    users = shop.held.enter_context(persisted(found))
    row = users.agg(F.count(F.lit(1)), F.count_if("has_news")).first()
    assert row is not None, "an aggregate has one row"
    return Kept(last, factors, users, row[0], row[1])


def _seen(factors: DataFrame, whose: str, name: str) -> DataFrame:
    users = factors.where(f"side = 'user' AND {whose}")
    return users.select(F.col("id").alias("user_id"), F.col("fingerprint").alias(name))
