"""The synthetic shop on real executor processes: what was planted is found, the README's questions are answered."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import functions as F
from shelf import SMALL
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from submitting import LOCAL_CLUSTER, ROOT, submit

from shoal.stages import STAGES
from shoal.summary import summary
from shoal.tables import AS_NEEDED, BATCHES, FEATURES, GOLD, METRICS, PROPENSITIES, REJECTED_EVENTS, SEGMENTS, SILVER
from shoal.tools import query_lake

README = ROOT / "README.md"
QUESTIONS = re.findall(r"```sql\n(.*?)```", README.read_text(), flags=re.DOTALL)


@pytest.fixture(scope="module")
def found(shelf_at, synthetic_shop, wheel, bare_python, tmp_path_factory):
    """What the pipeline found, run as on a cluster: from the wheel, on executors whose Python does not have Shoal."""
    lake = tmp_path_factory.mktemp("synthetic") / "lake"
    ended = submit(
        bare_python, *LOCAL_CLUSTER, "--py-files", wheel, ROOT / "jobs" / "pipeline.py",
        "--feed", "shoal", "--input", synthetic_shop.events, "--lake", lake, "--as-of", synthetic_shop.shop.as_of,
        *(part for setting in SMALL for part in ("--set", setting)),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-3000:]
    return shelf_at(lake)


def test_checkpoints_lay_where_every_executor_sees_them_and_were_removed(found):
    assert [*Path(found.lake.location, "_checkpoints").iterdir()] == []


def test_planted_bad_rows_are_rejected_each_and_only_they(found, synthetic_shop):
    planted = {row.event_id: set(row.reasons) for row in synthetic_shop.truth("bad_rows").collect()}
    rejected = {row.event_id: set(row.reasons) for row in found.read(REJECTED_EVENTS).collect()}

    assert rejected == planted


def test_planted_duplicates_are_counted(found, synthetic_shop):
    (batch,) = found.read(BATCHES).collect()

    assert batch.rows_duplicate == synthetic_shop.truth("duplicates").count()
    assert batch.rows_in == batch.rows_accepted + batch.rows_rejected + batch.rows_duplicate


def test_planted_groups_are_found_again(found, synthetic_shop):
    planted = synthetic_shop.truth("users").select("user_id", "group")
    pairs = found.read(SEGMENTS).join(planted, on="user_id", how="inner").collect()

    assert adjusted_rand_score([p["group"] for p in pairs], [p["segment_id"] for p in pairs]) >= 0.9


def test_probabilities_are_calibrated_against_the_generators_own(found, synthetic_shop):
    """Logistic regression of the true probability, as soft label, on the logit of the prediction: slope near 1."""
    truth = synthetic_shop.truth("users").select("user_id", F.col("probability").alias("truth"))
    pairs = found.read(PROPENSITIES).join(truth, on="user_id", how="inner").toPandas()
    logit = np.log(pairs.probability / (1 - pairs.probability)).to_numpy().reshape(-1, 1)
    rows = np.vstack([logit, logit])
    labels = np.repeat([1, 0], len(pairs))
    weights = np.concatenate([pairs.truth, 1 - pairs.truth])

    slope = LogisticRegression(C=1e6).fit(rows, labels, sample_weight=weights).coef_[0, 0]

    assert 0.9 <= slope <= 1.1


def test_als_beats_popularity_with_an_interval_above_zero(found):
    (low,) = found.read(METRICS, "stage = 'recommend' AND metric = 'ndcg@10 als - popularity low'").collect()

    assert low.value > 0


def test_the_level_of_the_probabilities_is_right_too(found, synthetic_shop):
    """On average as likely as the generator's own, to a tenth."""
    truth = synthetic_shop.truth("users").select("user_id", F.col("probability").alias("truth"))
    pairs = found.read(PROPENSITIES).join(truth, on="user_id", how="inner")
    means = pairs.agg(F.avg("probability").alias("said"), F.avg("truth").alias("truth")).first()

    assert means.said == pytest.approx(means.truth, rel=0.1)


def test_ten_questions_of_the_readme_are_answered(found):
    assert len(QUESTIONS) == 10
    answers = {number: [*query_lake(found.lake, sql.strip(), "csv")] for number, sql in enumerate(QUESTIONS, start=1)}

    assert [number for number, answer in answers.items() if len(answer) < 2] == []


def test_the_summary_shows_segments_users_and_baselines(found):
    said = summary(found.lake)

    for part in ("Champions", "bought last", "buys_30d", "popularity", "recency", "base_rate", "rows_in"):
        assert part in said


def test_every_table_was_written_by_its_one_job(found):
    stages = {stage.job: stage.name for stage in STAGES}
    made = [table for table in (*SILVER, *FEATURES, *GOLD) if found.lake.exists(table)]
    assert {*SILVER, *FEATURES, *GOLD} - {*made} <= {*AS_NEEDED}
    for table in made:
        stamps = [json.loads(c["userMetadata"]) for c in found.lake._history(table, 1000)]

        assert {stamp["job"] for stamp in stamps} == {stages[table.writer]}, table.name
