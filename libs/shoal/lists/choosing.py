"""Which models name the items of a list: today's, the last one that was released, or what is popular."""

from collections.abc import Sequence
from typing import NamedTuple, cast

from pyspark.sql import DataFrame

from shoal.books import model_store
from shoal.books.runs import Run
from shoal.config import Config
from shoal.lake import Lake
from shoal.lists.assortment import Assortment
from shoal.models import recommend
from shoal.models.metric import Metric, stands_in
from shoal.models.recommend import AlsModel, Explaining, FittedAls, Judgement, Voice
from shoal.models.recommend.recommender import Fitted
from shoal.params import RecommendParams

STAGE = "recommend"


class LastAls(NamedTuple):
    """The last als that was released."""

    model: FittedAls
    model_id: str


def voices(
    lake: Lake, config: Config, run: Run, shop: Assortment, entry: str, judged: Judgement
) -> tuple[list[Voice], list[Metric]]:
    """Who names the items of a list, in the order in which they are asked, and what is to be said of that.

    Args:
        judged: what the model of this list is worth, where it is one of taste.
    """
    params = config.recommend[entry]
    first, said = list[Voice](), list[Metric]()
    if params.model == recommend.ALS:
        first, said = _chosen(lake, config, run, shop, entry, judged)
    elif params.model in recommend.OF_TASTE:
        first, said = _of_taste(config, run, shop, entry, judged)
    elif params.model != recommend.POPULARITY:
        own = _fitted(shop, params)
        first = [Voice(cast(Explaining, own), params.model)] if own is not None else []  # these explain themselves
    if params.model in recommend.OF_ONES_OWN:
        return first, []
    if params.model in recommend.OF_TASTE:
        near = shop.by_segment(next(iter(config.segments), None), config.by_segment)
        first.append(Voice(near, recommend.BY_SEGMENT))
    popular = recommend.best_sellers(shop.acts, shop.admitted(params), as_of=run.day, days=params.popularity_days)
    return [*first, Voice(popular, recommend.POPULARITY)], said


def named(voices: list[Voice], shop: Assortment, params: RecommendParams) -> DataFrame:
    """The rows of a list by its rules: who gets what, who named it and why."""
    users, barred, items = shop.active(params.active_days), shop.barred(params), shop.admitted(params)
    found = recommend.named_by(voices, users, barred, items, recommend.candidates(params))
    if recommend.is_arranged(params):
        found = recommend.arranged(found, users, barred, items, shop.acts, params, _factors(voices))
    return recommend.told(found, users)


def short(params: RecommendParams, shop: Assortment, some: int, full: int) -> Metric:
    """How many active users have a list with fewer rows than asked for, and why.

    Args:
        some: how many have a row.
        full: how many have all rows.
    """
    active = shop.actives(params.active_days)
    if recommend.is_arranged(params):
        why = f"the list's rules leave no more of {recommend.candidates(params)} candidates"
    elif params.model == recommend.BUY_AGAIN:
        why = "a list has as many rows as the user has items of its own that are offered"
    elif params.model == recommend.ABANDONED_CART:
        why = "a list has as many rows as were left in the cart and are offered"
    else:
        why = "no more is offered that the user has not bought" if params.exclude_owned else "no more is offered"
    note = f"of {active:,} active users, with fewer than {params.top_n} rows; {active - some:,} have none: {why}"
    return Metric(params.model, "short_lists", float(active - full), note)


def _chosen(
    lake: Lake, config: Config, run: Run, shop: Assortment, entry: str, judged: Judgement
) -> tuple[list[Voice], list[Metric]]:
    """Today's als, or the last one; nobody, where there is neither."""
    params, failed = config.recommend[entry], judged.failed
    fitted = None if failed else recommend.fit(shop.liked(params), params)
    if fitted is not None:
        model_id = stored(lake, config, run, entry, fitted, judged)
        return [Voice(_explaining(fitted, shop, params), recommend.ALS, model_id)], []
    failed = failed or f"needs {params.min_interactions:,} pairs of user and item and found fewer"
    last, said = stand_in(lake, config, run, entry, failed)
    if last is None:
        return [], [said]
    return [Voice(_explaining(last.model, shop, params), model_store.LAST_MODEL, last.model_id)], [said]


def _explaining(als: FittedAls, shop: Assortment, params: RecommendParams) -> Explaining:
    """Als that says why it names an item, with new items where they are wanted."""
    own = shop.own(params)
    if not params.new_items:
        return recommend.because(als, own)
    content = recommend.content_model(params, shop.items)
    more, new = recommend.with_new_items(als, shop.liked(params), content)
    if more.model.items == als.model.items:
        return recommend.because(als, own)
    return recommend.WithNewItems(recommend.because(more, own), new, params.new_items)


def _of_taste(
    config: Config, run: Run, shop: Assortment, entry: str, judged: Judgement
) -> tuple[list[Voice], list[Metric]]:
    """A model other than als, fitted on what users like; nothing of it is stored, so popularity stands in for it."""
    params, failed = config.recommend[entry], judged.failed
    fitted = None if failed else _fitted(shop, params)
    if fitted is None:
        failed = failed or "nothing is known of what users like"
        run.stand_in(f"{STAGE}.{entry}: {failed}", "popularity stands in", config.strict)
        return [], [stands_in(recommend.POPULARITY, failed)]
    _warned(config, run, entry, judged)
    return [Voice(recommend.because(fitted, shop.own(params)), params.model)], []


def _fitted(shop: Assortment, params: RecommendParams) -> Fitted | None:
    model = recommend.list_model(params, shop.run.day, shop.items)
    return model.fit(recommend.learned_from(params.model, shop.acts, lambda: shop.liked(params)))


def _factors(voices: Sequence[Voice]) -> DataFrame | None:
    """The factors of items by als, where it is one of the voices."""
    for voice in voices:
        named = voice.fitted.model if isinstance(voice.fitted, recommend.WithNewItems) else voice.fitted
        if isinstance(named, recommend.Because) and isinstance(named.model, FittedAls):
            return named.model.item_factors
    return None


def _warned(config: Config, run: Run, entry: str, judged: Judgement) -> None:
    """Say what is not known of a model that is shown."""
    if judged.untested:
        run.stand_in(f"{STAGE}.{entry}: {judged.untested}", "it is used as it is", config.strict)
    if judged.undecided:
        run.warn(f"{STAGE}.{entry}: {judged.undecided}")


def stored(lake: Lake, config: Config, run: Run, entry: str, fitted: FittedAls, judged: Judgement) -> str:
    """Store the model of today, and say what is to be known of it; returns its id."""
    _warned(config, run, entry, judged)
    if fitted.model.engine != config.recommend[entry].engine:
        run.note(f"{STAGE}.{entry}: {fitted.model.interactions:,} pairs are more than one task takes: "
                 f"{fitted.model.engine} has fitted them")  # fmt: skip
    model_store.save_factors(lake, run, STAGE, entry, fitted.user_factors.unionByName(fitted.item_factors))
    return model_store.save_model(lake, run, STAGE, entry, recommend.ALS, fitted.model)


def stand_in(lake: Lake, config: Config, run: Run, entry: str, failed: str) -> tuple[LastAls | None, Metric]:
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
    return LastAls(fitted, last.model_id), said
