"""Learning what each model's word is worth in a blend: a search over weights that sum to 1, on the inner split."""

import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.evaluation.lists import Setting
from shoal.evaluation.mixing import Floats, summed_ndcg
from shoal.evaluation.pairs import Strength, pairs
from shoal.evaluation.trial import PAIR, Trial
from shoal.evaluation.tuning import Tell, Tried
from shoal.frames import persisted
from shoal.models.recommend.blend import Blend, FittedBlend, Scale
from shoal.models.recommend.recommender import Recommender

_DRAWN = 150  # mixtures of the first round; twice that many as there are models come beside them
_NEAR = 60  # of each later round, around the best so far
_SPREADS = (0.5, 0.2)  # of the logarithms of the weights, round by round
_TOLD = 5  # mixtures of a round that the trace holds, the best, beside each model alone
_MOST_USERS = 20_000  # by whom mixtures are judged
_SCALES: tuple[Scale, ...] = ("min_max", "rank")


@dataclass(frozen=True)
class Blended:
    """A blend with its weights."""

    setting: Setting
    value: float  # nDCG on the inner split
    trace: list[Tried]


def blended(
    name: str,
    blend: Blend,
    members: Sequence[Recommender],
    strength: Strength,
    trial: Trial,
    *,
    k: int,
    seed: int,
    tell: Tell,
) -> Blended:
    """The blend of these models, with the scale and the weights that reach the highest nDCG on the trial.

    Each member is fitted once. Weights are drawn evenly from all that sum to 1, each model alone and all alike among
    them; later rounds look around the best so far. A model that adds nothing is left out.
    """
    rng = np.random.default_rng(seed)
    trace, best = list[Tried](), (-1.0, blend.scale, np.full(len(members), 1 / len(members)))
    common = {"strength": strength.as_json()}
    with ExitStack() as stack:
        judges = stack.enter_context(persisted(_judges(trial)))
        learned = stack.enter_context(persisted(pairs(trial.train, strength, trial.now)))
        fitted = [member.fit(learned) for member in members]
        known = [(place, model) for place, model in enumerate(fitted) if model is not None]
        for scale in _SCALES if known else ():
            named = [
                FittedBlend([model], [1.0], blend.candidates, scale, blend.rank_constant)
                .best(judges, trial.barred, trial.items, max(blend.candidates, k))
                .select(*PAIR, F.lit(place).alias("model"), "score")
                for place, model in known
            ]
            rows = stack.enter_context(persisted(_candidates(named, trial, len(members))))
            for spread in (None, *_SPREADS):
                weights = _mixtures(rng, best[2], spread)
                values = _mean_ndcg(rows, weights, k)
                order = np.argsort(-values, kind="stable")
                top = int(order[0])
                alone = range(len(members)) if spread is None else ()
                for one in dict.fromkeys([*alone, *order[:_TOLD].tolist()]):
                    tried = {**common, "scale": scale, "weights": _listed(members, weights[one])}
                    trace.append(Tried(name, "weighed", 1.0, tried, float(values[one])))
                if values[top] > best[0]:
                    best = (float(values[top]), scale, weights[top])
    rounded = [round(float(weight), 4) for weight in best[2]]
    chosen = [(model, weight) for model, weight in zip(members, rounded, strict=True) if weight > 0]
    models, shares = zip(*chosen, strict=True)
    tell(f"{name}: nDCG@{k} {best[0]:.4f} on the inner split with {best[1]}: {_listed(models, shares)}")
    setting = Setting(dataclasses.replace(blend, models=models, weights=shares, scale=best[1]), strength)
    return Blended(setting, best[0], trace)


def _judges(trial: Trial) -> DataFrame:
    """The users by whom mixtures are judged: all, or a sample by hash."""
    share = _MOST_USERS / max(1, trial.sizes.users)
    users = trial.users.select("user_id")
    place = F.pmod(F.xxhash64(F.lit("blend"), "user_id"), F.lit(1_000_000)) / F.lit(1_000_000)
    return users if share >= 1 else users.where(place < share)


def _candidates(named: Sequence[DataFrame], trial: Trial, models: int) -> DataFrame:
    """Per user its candidates' scores by all models, which of them are relevant, and how many items are."""
    of_item = F.array(
        *(F.coalesce(F.max(F.when(F.col("model") == m, F.col("score"))), F.lit(0.0)) for m in range(models))
    )
    candidates = reduce(DataFrame.unionByName, named).groupBy(*PAIR).agg(of_item.alias("scores"))
    counts = trial.relevant.groupBy("user_id").agg(F.count(F.lit(1)).alias("wanted"))
    row = F.sort_array(F.collect_list(F.struct("item_id", "scores", F.col("hit").isNotNull().alias("hit"))))
    return (
        candidates.join(trial.relevant.withColumn("hit", F.lit(True)), PAIR, how="left")
        .groupBy("user_id")
        .agg(row.alias("rows"))
        .join(counts, "user_id", how="inner")
        .select(F.flatten("rows.scores").alias("scores"), F.col("rows.hit").alias("hits"), "wanted")
    )


def _mixtures(rng: np.random.Generator, best: Floats, spread: float | None) -> Floats:
    """Weights to try, one row each: drawn from all there are, or around the best."""
    count = len(best)
    if spread is None:
        return np.vstack([np.eye(count), np.full((1, count), 1 / count), rng.dirichlet(np.ones(count), _DRAWN)])
    near = best * np.exp(rng.normal(0, spread, (_NEAR, count)))
    without = best * (1 - np.eye(count))
    with_more = np.maximum(best, 0.02) * (1 + np.eye(count))
    drawn = np.vstack([near, without[without.sum(axis=1) > 0], with_more])
    shares: Floats = drawn / drawn.sum(axis=1, keepdims=True)
    return shares


def _mean_ndcg(rows: DataFrame, weights: Floats, k: int) -> Floats:
    """Over the users that have candidates; to those without, no mixture makes a difference."""
    users = rows.count()
    sums = rows.mapInArrow(partial(summed_ndcg, weights=weights, k=k), "mixture int, total double")
    found = {
        row["mixture"]: row["total"] for row in sums.groupBy("mixture").agg(F.sum("total").alias("total")).collect()
    }
    return np.round([found.get(number, 0.0) / max(1, users) for number in range(len(weights))], 9)


def _listed(models: Sequence[Recommender], weights: Any) -> dict[str, float]:
    return {model.name: round(float(weight), 4) for model, weight in zip(models, weights, strict=True)}
