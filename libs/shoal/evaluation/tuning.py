"""Choosing settings on a split of train alone: drawn from a space, halved, then bettered step by step."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from shoal.evaluation.lists import Setting, ranked
from shoal.evaluation.request import Split
from shoal.evaluation.space import Space, applied, defaults_of, drawn, neighbour
from shoal.evaluation.splits import parted
from shoal.evaluation.trial import Trial, opened_trial
from shoal.models.recommend.measuring import evaluate
from shoal.models.recommend.recommender import Recommender

_SHARES = (1 / 9, 1 / 3, 1.0)  # of users, from rung to rung
_KEEPS = 3  # one of so many configurations goes on to the next rung
_LEAST_USERS = 1000  # to measure on: with fewer, chance decides
_EXPLORES = 1 / 2  # of the budget; the rest betters the best
_BUCKETS = 9

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Rung:
    """A part of the users of the inner split."""

    share: float
    trial: Trial


@dataclass(frozen=True)
class Tried:
    """One line of the trace."""

    model: str
    step: str  # drawn or bettered
    share: float  # of the users
    configuration: dict[str, Any]  # what differs from the defaults
    value: float  # nDCG

    def as_json(self, k: int) -> dict[str, Any]:
        """As the report shows it."""
        return {
            "model": self.model,
            "step": self.step,
            "share_of_users": round(self.share, 4),
            "configuration": self.configuration,
            f"ndcg@{k}": round(self.value, 9),
        }


@contextmanager
def rungs(trial: Trial, split: Split, seed: int, wanted: Column | None, *, keeps_seen: bool) -> Iterator[list[Rung]]:
    """Train, split once more: first some of its users, at last all of them.

    Users are drawn by a hash, with all their rows. A rung on fewer than 1,000 users to measure on is left out, so small
    tables have one rung.

    Raises:
        DataError: the inner split leaves nothing to learn from, or nobody to measure on.
    """
    with ExitStack() as stack:
        learned, held = parted(trial.train, split, seed, wanted=wanted, keeps_seen=keeps_seen)
        counted = held if wanted is None else held.where(wanted)
        test_rows = held.count()
        whole = stack.enter_context(opened_trial(learned, counted, test_rows, keeps_seen=keeps_seen))
        found = []
        bucket = F.pmod(F.xxhash64(F.lit(seed), F.lit("rung"), "user_id"), F.lit(_BUCKETS))
        for share in (share for share in _SHARES if share < 1 and whole.sizes.users * share >= _LEAST_USERS):
            some = bucket < round(share * _BUCKETS)
            part = opened_trial(whole.train.where(some), counted.where(some), test_rows, keeps_seen=keeps_seen)
            found.append(Rung(share, stack.enter_context(part)))
        yield [*found, Rung(1.0, whole)]


def tuned(
    name: str,
    setting: Setting,
    space: Space,
    ladder: Sequence[Rung],
    fallback: Recommender,
    *,
    k: int,
    budget: int,
    seed: int,
    tell: Tell,
) -> tuple[Setting, list[Tried]]:
    """The best of at most ``budget`` configurations by nDCG at ``k``, and all that was tried.

    Half are drawn from the space, the defaults among them. All are measured on the first rung, the best third of
    them on the next, and so on (successive halving, Jamieson, Talwalkar 2016). The other half of the budget changes
    one value of the best at a time, by a step, and stays with what is better.
    """
    trace, seen = list[Tried](), list[dict[str, Any]]()

    def measured(step: str, configuration: dict[str, Any], rung: Rung) -> float:
        value = ndcg(applied(setting, configuration), fallback, rung.trial, k)
        trace.append(Tried(name, step, rung.share, configuration, value))
        return value

    left = drawn(space, max(1, ceil(budget * _EXPLORES)), f"{seed} {name}")
    seen += left
    best, value = left[0], float("-inf")
    for place, rung in enumerate(ladder):
        found = [(measured("drawn", one, rung), -order) for order, one in enumerate(left)]
        order = sorted(range(len(left)), key=lambda n: found[n], reverse=True)
        best, value = left[order[0]], found[order[0]][0]
        if place + 1 < len(ladder):
            left = [left[n] for n in order[: ceil(len(left) / _KEEPS)]]
    rng, defaults = random.Random(f"{seed} {name} bettered"), defaults_of(setting, space)
    for _ in range(budget - len(seen) if space else 0):
        tries = (neighbour(best, defaults, space, rng) for _ in range(20))
        one = next((each for each in tries if each not in seen), None)
        if one is None:
            break
        seen.append(one)
        if (reached := measured("bettered", one, ladder[-1])) > value:
            best, value = one, reached
    chosen = best or "the defaults"
    tell(f"{name}: nDCG@{k} {value:.4f} on the inner split, the best of {len(seen)} configurations: {chosen}")
    return applied(setting, best), trace


def ndcg(setting: Setting, fallback: Recommender, trial: Trial, k: int) -> float:
    """Mean nDCG at ``k`` over the trial's users."""
    lists = ranked(setting, fallback, trial, k).lists
    found = evaluate(lists, trial.relevant, k).agg(F.avg("ndcg")).first()
    return float(found[0]) if found is not None and found[0] is not None else 0.0
