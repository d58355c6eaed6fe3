"""Which models name the items of a list: today's, the last one that was released, or what is popular."""

from pyspark.sql import DataFrame

from shoal import model_store
from shoal.assortment import Assortment
from shoal.config import Config
from shoal.lake import Lake
from shoal.models import recommend
from shoal.models.metric import Metric, stands_in
from shoal.models.recommend import AlsModel, FittedAls, Judgement, Voice
from shoal.runs import Run

STAGE = "recommend"


def voices(
    lake: Lake, config: Config, run: Run, shop: Assortment, entry: str, judged: Judgement
) -> tuple[list[Voice], list[Metric]]:
    """Who names the items of a list, in the order in which they are asked, and what is to be said of that.

    Args:
        judged: what als of this list is worth.
    """
    params = config.recommend[entry]
    if params.model == recommend.BUY_AGAIN:
        again = recommend.again_model(params).fit(recommend.habits(shop.acts))
        return [] if again is None else [Voice(again, recommend.BUY_AGAIN)], []
    first, said = list[Voice](), list[Metric]()
    if params.model == recommend.ALS:
        liked = shop.liked(params)
        first, said = _chosen(lake, config, run, entry, liked, judged)
    popular = recommend.best_sellers(
        shop.acts, shop.offered(params.in_stock_only), as_of=run.day, days=params.popularity_days
    )
    return [*first, Voice(popular, recommend.POPULARITY)], said


def _chosen(
    lake: Lake, config: Config, run: Run, entry: str, liked: DataFrame, judged: Judgement
) -> tuple[list[Voice], list[Metric]]:
    """Today's als, or the last one; nobody, where there is neither."""
    params, failed = config.recommend[entry], judged.failed
    fitted = None if failed else recommend.fit(liked, params)
    if fitted is not None:
        return [Voice(fitted, recommend.ALS, stored(lake, config, run, entry, fitted, judged))], []
    failed = failed or f"needs {params.min_interactions:,} pairs of user and item and found fewer"
    stood_in, said = stand_in(lake, config, run, entry, failed)
    return [] if stood_in is None else [stood_in], [said]


def stored(lake: Lake, config: Config, run: Run, entry: str, fitted: FittedAls, judged: Judgement) -> str:
    """Store the model of today, and say what is to be known of it; returns its id."""
    if judged.untested:
        run.stand_in(f"{STAGE}.{entry}: {judged.untested}", "it is used as it is", config.strict)
    if judged.undecided:
        run.warn(f"{STAGE}.{entry}: {judged.undecided}")
    if fitted.model.engine != config.recommend[entry].engine:
        run.note(f"{STAGE}.{entry}: {fitted.model.interactions:,} pairs are more than one task takes: "
                 f"{fitted.model.engine} has fitted them")  # fmt: skip
    model_store.save_factors(lake, run, STAGE, entry, fitted.user_factors.unionByName(fitted.item_factors))
    return model_store.save_model(lake, run, STAGE, entry, recommend.ALS, fitted.model)


def stand_in(lake: Lake, config: Config, run: Run, entry: str, failed: str) -> tuple[Voice | None, Metric]:
    """What takes the place of today's model: the last one that was released, or None: popularity alone.

    Returns:
        It, and a metric that says so.
    """
    last = model_store.last_good(lake, run, STAGE, entry, AlsModel)
    if last is None:
        run.stand_in(f"{STAGE}.{entry}: {failed}", "popularity stands in", config.strict)
        return None, stands_in(recommend.POPULARITY, failed)
    run.stand_in(f"{STAGE}.{entry}: {failed}", last.stands_in, config.strict)
    factors = model_store.load_factors(lake, last)
    fitted = FittedAls(last.model, factors.where("side = 'user'"), factors.where("side = 'item'"))
    said = stands_in(model_store.LAST_MODEL, failed, (run.day - last.as_of).days)
    return Voice(fitted, model_store.LAST_MODEL, last.model_id), said
