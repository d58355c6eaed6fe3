"""What every table of a run is judged by before its release."""

from dataclasses import replace

from pyspark.sql import functions as F

from shoal.books.runs import Run
from shoal.config import Config
from shoal.lake import Lake
from shoal.models.recommend import ABANDONED_CART, OF_ONES_OWN
from shoal.quality import gate, known
from shoal.quality.gate import Part, Verdict
from shoal.quality.known import KNOWN, NOTHING, More
from shoal.tables import (
    BOUGHT_TOGETHER,
    GOLD_USERS,
    ITEMS,
    METRICS,
    PROPENSITIES,
    RECOMMENDATIONS,
    RECOMMENDATIONS_BY_SEGMENT,
    SEGMENT_PROFILES,
    SEGMENTS,
    SIMILAR_ITEMS,
    USER_FEATURES,
)
from shoal.transforms.catalogue import catalogue_at
from shoal.validate.rules import expected_of, rules_of

_OF_A_RUN = (
    *(USER_FEATURES, SEGMENTS, SEGMENT_PROFILES, PROPENSITIES),
    *(RECOMMENDATIONS, RECOMMENDATIONS_BY_SEGMENT, SIMILAR_ITEMS, BOUGHT_TOGETHER, GOLD_USERS),
)

_NAMED = {
    RECOMMENDATIONS: "item_id",
    RECOMMENDATIONS_BY_SEGMENT: "item_id",
    SIMILAR_ITEMS: "similar_item_id",
    BOUGHT_TOGETHER: "other_item_id",
}


def of_run(lake: Lake, config: Config, run: Run) -> list[Verdict]:
    """Verdicts on every table of a run that is about to be released."""
    rows = {table: lake.read(table, run.versions_read.get(table.name)).where(run.slice) for table in _OF_A_RUN}
    shown = rows[GOLD_USERS].select("user_id", F.lit(True).alias("_shown"))
    members = rows[SEGMENTS].groupBy("segmentation", "segment_id").agg(F.count(F.lit(1)).alias("members"))
    beside = {
        USER_FEATURES: rows[USER_FEATURES].join(shown, on="user_id", how="left")
        .withColumn("is_shown", F.col("_shown").isNotNull()),
        SEGMENT_PROFILES: rows[SEGMENT_PROFILES].join(members, on=["segmentation", "segment_id"], how="full"),
    }  # fmt: skip
    more = {
        USER_FEATURES: More([known.IS_SHOWN]),
        PROPENSITIES: known.of_probabilities(_observed_rates(lake, config, run)),
        RECOMMENDATIONS: known.of_lists(
            {name: params.top_n for name, params in config.recommend.items()},
            [name for name, params in config.recommend.items() if params.in_stock_only],
            [name for name, params in config.recommend.items() if params.model in OF_ONES_OWN],
            [name for name, params in config.recommend.items() if params.model == ABANDONED_CART],
        ),
    }
    of_rules = known.of_list_rules({name: params.rules for name, params in config.recommend.items()})
    more[RECOMMENDATIONS] = replace(more[RECOMMENDATIONS], rules=[*more[RECOMMENDATIONS].rules, *of_rules])
    goods = catalogue_at(lake.read(ITEMS, run.versions_read[ITEMS.name]), run.day).where("recommendable")
    for table, named in _NAMED.items():
        facts = ("category", "brand", "cost") if of_rules and table is RECOMMENDATIONS else ()
        offered = goods.select(F.col("item_id").alias(named), F.lit(True).alias("_offered"), *facts)
        beside[table] = (
            rows[table].join(offered, on=named, how="left").withColumn("is_offered", F.col("_offered").isNotNull())
        )
        of_table = more.get(table, NOTHING)
        more[table] = replace(of_table, rules=[*of_table.rules, known.IS_OFFERED])
    verdicts = gate.judge_parts(f"run {run.key}", [
        Part(
            table, beside.get(table, rows[table]),
            [*KNOWN[table.name], *more.get(table, NOTHING).rules, *rules_of(config, table)],
            more.get(table, NOTHING).expected, more.get(table, NOTHING).columns,
        )
        for table in _OF_A_RUN
    ])  # fmt: skip
    for table in _OF_A_RUN:
        verdicts += gate.judge_expected(rows[table], table, expected_of(config, table))
    return verdicts


def _observed_rates(lake: Lake, config: Config, run: Run) -> dict[str, float]:
    """By target, which share of the users was last seen to do it; without those of which nothing was seen."""
    measured = lake.read(METRICS).where(run.slice).where("stage = 'propensity' AND value IS NOT NULL")
    wanted = measured.where(F.col("metric").isin("mean_observed", "base_rate"))
    rows = sorted(wanted.select("entry", "metric", "value").collect(), key=lambda row: row["metric"])
    # The newest outcomes, where there are any, win over what was known before them.
    return {row["entry"]: row["value"] for row in rows if row["entry"] in config.propensity}
