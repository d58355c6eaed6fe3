"""Which models name the items of a list: today's, the last one that was released, or what is popular."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple, cast

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.books import model_store
from shoal.books.runs import Run
from shoal.config import Config
from shoal.lake import Lake
from shoal.lists import between, carrying
from shoal.lists.assortment import Assortment
from shoal.lists.between import Kept
from shoal.lists.carrying import Carried
from shoal.models import recommend
from shoal.models.metric import Metric, stands_in
from shoal.models.recommend import AlsModel, Explaining, FittedAls, Judgement, Voice
from shoal.models.recommend.registry import Learned
from shoal.params import RecommendParams

STAGE = between.STAGE


class LastAls(NamedTuple):
    """The last als that was released."""

    model: FittedAls
    model_id: str


class Chosen(NamedTuple):
    """Who names the items of a list."""

    voices: list[Voice]  # in the order in which they are asked
    said: list[Metric]  # of that
    carried: Carried | None = None  # lists of the last release that stay as they are; None: all are made


def voices(
    lake: Lake, config: Config, run: Run, shop: Assortment, entry: str, judged: Judgement, kept: Kept | None = None
) -> Chosen:
    """Who names the items of a list.

    Args:
        judged: what the model of this list is worth, where it is one of taste.
        kept: the model that is kept; None: it is fitted anew.
    """
    params = config.recommend[entry]
    first, said, carried = list[Voice](), list[Metric](), None
    if params.model == recommend.ALS:
        first, said, carried = _chosen(lake, config, run, shop, entry, judged, kept)
    elif params.model in recommend.OF_TASTE:
        first, said = _of_taste(config, run, shop, entry, judged)
    elif params.model != recommend.POPULARITY:
        own = _fitted(shop, params).model
        first = [Voice(cast(Explaining, own), params.model)] if own is not None else []  # these explain themselves
    if params.model in recommend.OF_ONES_OWN:
        return Chosen(first, [])
    if params.model in recommend.OF_TASTE:
        near = shop.by_segment(next(iter(config.segments), None), config.by_segment)
        first.append(Voice(near, recommend.BY_SEGMENT))
    popular = recommend.best_sellers(shop.acts, shop.admitted(params), as_of=run.day, days=params.popularity_days)
    return Chosen([*first, Voice(popular, recommend.POPULARITY)], said, carried)


def named(chosen: Chosen, shop: Assortment, params: RecommendParams) -> DataFrame:
    """The rows of a list by its rules: who gets what, who named it and why."""
    voices, carried = chosen.voices, chosen.carried
    users, barred, items = shop.active(params.active_days), shop.barred(params), shop.admitted(params)
    if carried is not None:
        users = users.join(carried.users, "user_id", how="left_anti")
    found = recommend.named_by(voices, users, barred, items, recommend.candidates(params))
    if recommend.is_arranged(params):
        found = recommend.arranged(found, users, barred, items, shop.acts, params, _factors(voices))
    made = recommend.told(found, users)
    return made if carried is None else made.unionByName(carried.rows)


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
    lake: Lake, config: Config, run: Run, shop: Assortment, entry: str, judged: Judgement, kept: Kept | None
) -> Chosen:
    """Today's als, anew or with what it was folded into, or the last one; nobody, where there is neither."""
    params, failed = config.recommend[entry], judged.failed
    if kept is not None and not failed:
        return _kept(lake, config, run, shop, entry, judged, kept)
    last = None if failed else between.to_go_on_from(lake, run, entry, params)
    fitted = None if failed else recommend.fit(shop.liked(params), params, last)
    if fitted is not None:
        fitted, rows = _identified(fitted, shop, params)
        model_id = stored(lake, config, run, entry, fitted, judged, rows)
        return Chosen([Voice(_explaining(fitted, shop, params), recommend.ALS, model_id)], [])
    failed = failed or f"needs {params.min_interactions:,} pairs of user and item and found fewer"
    stand, said = stand_in(lake, config, run, entry, failed)
    if stand is None:
        return Chosen([], [said])
    return Chosen([Voice(_explaining(stand.model, shop, params), model_store.LAST_MODEL, stand.model_id)], [said])


def _identified(fitted: FittedAls, shop: Assortment, params: RecommendParams) -> tuple[FittedAls, DataFrame | None]:
    """A new model with what a later run needs to go on from it, and its rows with what one needs to keep it."""
    settings, day = recommend.settings_of(params), shop.run.day.isoformat()
    model = replace(fitted.model, settings=settings, fitted_on=day)
    if not params.retrain_days:
        return replace(fitted, model=model), None
    shown = carrying.offer(shop, params, fitted.item_factors).shown
    return replace(fitted, model=replace(model, shown=shown)), between.fingerprinted(fitted, shop, params)


def _kept(lake: Lake, config: Config, run: Run, shop: Assortment, entry: str, judged: Judgement, kept: Kept) -> Chosen:
    """The model of an earlier run, with users who have news folded in, and whose lists stay."""
    params = config.recommend[entry]
    offer = carrying.offer(shop, params, kept.items)
    fitted, own = between.folded(kept, shop, params, offer.shown)
    model_id = stored(lake, config, run, entry, fitted, judged, own)
    carried = carrying.carried(lake, shop, params, entry, kept, offer.shown, model_id)
    note = (f"users with news, of {kept.known:,}, since the model was fitted on {kept.clock}; "
            f"{carrying.said(carried, offer)}; {offer.without_factors:,} items that are offered have no factors "
            f"before the next fit{', but may be named as new items' if params.new_items else ''}")  # fmt: skip
    run.note(f"{STAGE}.{entry}: {kept.with_news:,} {note}")
    voice = Voice(_explaining(fitted, shop, params, kept.clock), recommend.ALS, model_id)
    return Chosen([voice], [Metric(recommend.ALS, "folded_in", float(kept.with_news), note)], carried)


def _explaining(als: FittedAls, shop: Assortment, params: RecommendParams, clock: date | None = None) -> Explaining:
    """Als that says why it names an item, with new items where they are wanted.

    Args:
        clock: the day by which strengths are aged; None: that of the run.
    """
    own = shop.own(params, clock)
    if not params.new_items:
        return recommend.because(als, own)
    content = recommend.content_model(params, shop.items)
    more, new = recommend.with_new_items(als, shop.liked(params, clock), content)
    if more.model.items == als.model.items:
        return recommend.because(als, own)
    known = als.item_factors.select(F.col("id").alias("item_id"))
    return recommend.WithNewItems(recommend.because(more, own), known, new, params.new_items)


def _of_taste(
    config: Config, run: Run, shop: Assortment, entry: str, judged: Judgement
) -> tuple[list[Voice], list[Metric]]:
    """A model other than als, fitted on what users like; nothing of it is stored, so popularity stands in for it."""
    params, failed = config.recommend[entry], judged.failed
    fitted, lacks = Learned(None, failed) if failed else _fitted(shop, params)
    if fitted is None:
        failed = failed or f"{params.model} {lacks}"
        run.stand_in(f"{STAGE}.{entry}: {failed}", "popularity stands in", config.strict)
        return [], [stands_in(recommend.POPULARITY, failed)]
    _warned(config, run, entry, judged)
    shown = recommend.members(fitted)
    if judged.members and judged.members != shown:
        run.warn(f"{STAGE}.{entry}: a blend of {shown} is shown, what was measured {params.test_days} days back is one "
                 f"of {judged.members}: the others had nothing to learn from")  # fmt: skip
    return [Voice(recommend.because(fitted, shop.own(params)), params.model)], []


def _fitted(shop: Assortment, params: RecommendParams) -> Learned:
    model = recommend.list_model(params, shop.run.day, shop.items)
    pairs = recommend.learned_from(params.model, shop.acts, lambda: shop.liked(params))
    return recommend.fitted(model, pairs, params)


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


def stored(
    lake: Lake,
    config: Config,
    run: Run,
    entry: str,
    fitted: FittedAls,
    judged: Judgement,
    rows: DataFrame | None = None,
) -> str:
    """Store the model of today, and say what is to be known of it; returns its id.

    Args:
        rows: of ``ops.factors``, where they are not just those that were fitted.
    """
    _warned(config, run, entry, judged)
    if fitted.model.engine != config.recommend[entry].engine:
        run.note(f"{STAGE}.{entry}: {fitted.model.interactions:,} pairs are more than one task takes: "
                 f"{fitted.model.engine} has fitted them")  # fmt: skip
    rows = fitted.user_factors.unionByName(fitted.item_factors) if rows is None else rows
    model_store.save_factors(lake, run, STAGE, entry, rows)
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
    factors = model_store.load_factors(lake, last.model_id, last.model.base)
    fitted = FittedAls(last.model, factors.where("side = 'user'"), factors.where("side = 'item'"))
    said = stands_in(model_store.LAST_MODEL, failed, (run.day - last.as_of).days)
    return LastAls(fitted, last.model_id), said
