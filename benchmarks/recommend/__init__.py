"""Recommendations: factors learned by ALS, and the best items of everyone, beside ``implicit`` and MLlib."""

from collections.abc import Mapping
from math import sqrt
from pathlib import Path

from benchmarks.contest import Contest, Contestant
from benchmarks.recommend import work_als, work_lists, work_news

_KERNEL = "Shoal's kernel alone"
_SHIPPED, _TUNED = "MLlib as shipped", "MLlib tuned"
_VECTORS = "vector instructions of Java, or OpenBLAS where the system has it; ParallelGC"

_ALS = (
    "Learn factors of rank 64 from pairs with planted tastes and write them, in the fewest iterations that are good "
    "enough: nDCG@10 on pairs held out is 99 % of the best that either loss, Shoal's or that of implicit, reaches in "
    "25 iterations, or of the lower of the two where it cannot come so near. Seconds are those of that fit alone, with "
    "reading and writing. Time to a quality is the fair measure: the penalty of implicit does not grow with the pairs "
    "of a row, so its loss is another one. Each loss has the best of twelve settings on another held-out part; Shoal "
    "and MLlib minimise the same one."
)
_ITERATIONS = 15  # Shoal's default
_FIXED = (
    f"The same pairs, settings and losses; {_ITERATIONS} iterations for all, as Shoal has by default, however good "
    "they are. The losses of Shoal and MLlib, which minimise the same, must be equal but for 2 %, nDCG@10 but for 3 %."
)
_LISTS = (
    "The 20 best of the items for each user by inner products of rank 64, what was seen left out, written as Parquet. "
    "rows are users. SGEMM is that of all cores, by the multiplications that looking at everything takes: what is "
    "proven not to be needed may make it more than 100 %."
)
_FULL, _BETWEEN = "in full", "between fits"
_NEWS = (
    f"The day after a fit: {work_news.ACTIVE:.0%} of the users have news. In full, all pairs are fitted anew and "
    "everybody gets new lists; between fits, users with news are found, folded into the items' factors and get new "
    "lists, and the others keep both. Both read all pairs, and write the factors that are new and the lists of all. "
    "nDCG@10 is on pairs held out; that of all users must be equal but for 0.5 %."
)


def contests(scale: float) -> list[Contest]:
    """The contests of this stage.

    Args:
        scale: share of the full size: of pairs and users; items go by its root where pairs are learned from.
    """
    pairs, users, items = int(1_500_000 * scale), int(50_000 * scale), int(10_000 * sqrt(scale))
    everyone, goods = int(200_000 * scale), int(50_000 * scale)
    gflop = 2 * everyone * goods * work_lists.RANK / 1e9
    tenth = "a tenth of the users, seconds times ten; asked for 20 and as many as anybody has seen, these joined away"

    def given(folder: Path) -> None:
        work_als.make(folder, pairs, users, items)

    ours = [
        Contestant("Shoal", "benchmarks.recommend.lists_by_shoal", "as a run does it, tables of texts in and out"),
        Contestant(_KERNEL, "benchmarks.recommend.lists_by_kernel", "arrays of numbers in, a thread a core"),
    ]
    implicit = Contestant(
        "implicit", "benchmarks.recommend.lists_by_implicit", "one call, a thread a core, one of OpenBLAS"
    )
    return [
        Contest(
            "ALS", _ALS, pairs, given, _als(),
            agree=("is good enough",),
            near={"loss": 0.05, "nDCG@10 by this loss": 0.03},  # after an iteration more or less
            shown=_SHOWN,
            target="at least 8 times as fast as MLlib tuned, no slower than implicit.",
            verdict=_found,
        ),
        Contest(
            f"ALS, {_ITERATIONS} iterations", _FIXED, pairs, given, _als("--iterations", str(_ITERATIONS)),
            agree=(),
            given="ALS",
            near={"loss": 0.02, "nDCG@10 by this loss": 0.03},
            shown=_SHOWN,
            target="at least 8 times as fast as MLlib tuned, no slower than implicit.",
            verdict=_found,
        ),
        Contest(
            "top 20", _LISTS, everyone, lambda folder: work_lists.make(folder, everyone, goods, alike=False),
            [
                *ours, implicit,
                Contestant(_SHIPPED, "benchmarks.recommend.lists_by_mllib", tenth, rounds=1),
                Contestant(
                    _TUNED, "benchmarks.recommend.lists_by_mllib", f"{tenth}; 8 partitions, {_VECTORS}", ("--tuned",),
                    rounds=1,
                ),
            ],
            agree=_EXACT,
            gflop=gflop,
            target="at least 30 times as fast as MLlib, twice as fast as implicit, more than 100 % of SGEMM where "
            "factors differ in length.",
            verdict=_found,
        ),
        Contest(
            "top 20, items alike", f"{_LISTS} All items' factors are of one length, so nothing can be passed over.",
            everyone, lambda folder: work_lists.make(folder, everyone, goods, alike=True), [*ours, implicit],
            agree=_EXACT,
            gflop=gflop,
            target="at least 60 % of SGEMM by the kernel.",
            verdict=lambda seconds: f"Found: the kernel is {seconds['implicit'] / seconds[_KERNEL]:.1f} times as fast "
            "as implicit.",
        ),
        Contest(
            "one more day", _NEWS, 4 * pairs, lambda folder: work_news.make(folder, 4 * pairs, everyone, goods),
            [
                Contestant(_FULL, "benchmarks.recommend.news_in_full"),
                Contestant(_BETWEEN, "benchmarks.recommend.news_between"),
            ],
            agree=("lists", "items of lists"),
            near={"nDCG@10": 0.005},
            shown=("nDCG@10", "nDCG@10 of users with news", "nDCG@10 of popularity"),
            target="at least 10 times as fast.",
            verdict=lambda seconds: f"Found: {seconds[_FULL] / seconds[_BETWEEN]:.1f} times as fast.",
        ),
    ]  # fmt: skip


_SHOWN = ("nDCG@10", "best nDCG@10 of its loss", "nDCG@10 of popularity", "iterations", "alpha", "reg")
_EXACT = ("lists that are exact, of the sample", "lists", "items of a list")


def _als(*arguments: str) -> list[Contestant]:
    shipped, block = "numbers in, 10 blocks a side", "numbers in, a block a core a side"
    module = "benchmarks.recommend.by_{}".format
    return [
        Contestant("Shoal", module("shoal"), "as a run does it, tables of texts in and out", arguments),
        Contestant(_KERNEL, module("kernel"), "arrays of numbers in, a thread a core", arguments),
        Contestant("implicit", module("implicit"), "CG, a thread a core, one of OpenBLAS", arguments),
        Contestant(_SHIPPED, module("mllib"), shipped, arguments, rounds=1),
        Contestant(_TUNED, module("mllib"), f"{block}, {_VECTORS}", (*arguments, "--tuned"), rounds=1),
    ]


def _found(seconds: Mapping[str, float]) -> str:
    return f"Found: {_beside(seconds, 'Shoal')}; its kernel alone is {_beside(seconds, _KERNEL)}."


def _beside(seconds: Mapping[str, float], name: str) -> str:
    peers = (_SHIPPED, _TUNED, "implicit")
    return ", ".join(f"{seconds[peer] / seconds[name]:.1f} times as fast as {peer}" for peer in peers)
