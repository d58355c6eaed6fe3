"""Robots in a shop are marked, and change nothing for anybody else."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from published import plain, published
from shelf import TINY

from shoal.reports.querying import query_lake
from shoal.synthetic import synthesize, write
from shoal.tables import GOLD_USERS, METRICS, PROPENSITIES, RECOMMENDATIONS, SEGMENTS, USER_FEATURES

pytestmark = pytest.mark.long

SETTINGS = (*TINY, "recommend.for_you.test_days=7", "propensity.buys_30d.horizon_days=7")
ROBOTS = ("robot", "robot that buys")
PAGE = (Path(__file__).parents[2] / "docs" / "results.md").read_text()


def robots_events(shop, items):
    """On five days spread over the shop's life 1,200 looks at all its items; one of them buys one mug of each tenth."""
    for ago in (26, 19, 14, 9, 2):
        midnight = f"{shop.as_of - timedelta(days=ago)}T"
        for robot in ROBOTS:
            for n in range(1_200):
                time = f"{midnight}{8 + n // 100:02}:{n % 60:02}:{n % 59:02}Z"
                yield {"event_id": f"{robot} {ago} {n}", "event_type": "view", "event_time": time, "user_id": robot,
                       "item_id": items[n % len(items)]}  # fmt: skip
        line = {"quantity": 1, "unit_price": 5, "currency": "EUR", "line_kind": "goods", "order_id": f"robot's {ago}"}
        yield {"event_id": f"bought {ago}", "event_type": "purchase", "event_time": f"{midnight}22:00:00Z",
               "user_id": ROBOTS[1], "item_id": items[0], **line}  # fmt: skip


@pytest.fixture(scope="module")
def shops(spark, shelf_at, compiled, tmp_path_factory):
    """The same shop without robots and with them."""
    folder = tmp_path_factory.mktemp("robots")
    shop = synthesize(spark, users=150, items=48, days=30, seed=3)
    write(shop, folder / "shop")
    items = sorted(
        row.item_id for row in shop.events.where("item_id IS NOT NULL").select("item_id").distinct().collect()
    )
    told = folder / "robots.jsonl"
    told.write_text("".join(f"{json.dumps(event)}\n" for event in robots_events(shop, items)))
    people = ("shoal", folder / "shop" / "events")
    found = {}
    for name, inputs in {"without": [people], "with": [people, ("shoal", told)]}.items():
        shelf = found[name] = shelf_at(folder / name)
        shelf.run(*inputs, as_of=shop.as_of, sets=SETTINGS)
    return found


def test_robots_are_marked_and_shown_with_what_they_did(shops):
    users = {row.user_id: row for row in shops["with"].read(USER_FEATURES, "is_suspect").collect()}
    shown = {row.user_id: row for row in shops["with"].read(GOLD_USERS, "is_suspect").collect()}

    assert {*users} == {*shown} == {*ROBOTS}
    assert {tuple(row.suspect_reasons) for row in users.values()} == {("rate",)}  # 48 items are no breadth
    assert {row.views_30d for row in users.values()} == {5 * 1_200}
    assert [(shown[robot].frequency, shown[robot].segment_id, shown[robot].probability) for robot in ROBOTS] == [
        (0, None, {}), (5, None, {}),
    ]  # fmt: skip
    assert shops["without"].read(USER_FEATURES, "is_suspect").isEmpty()


def test_robots_change_nothing_for_anybody_else(shops):
    """Segments, probabilities, lists and what was measured are those of the shop without them."""
    without, with_them = (published(shops[name]) for name in ("without", "with"))
    place = GOLD_USERS.names.index("user_id") - 1  # without run_id
    with_them[GOLD_USERS.name] = [row for row in with_them[GOLD_USERS.name] if row[place] not in ROBOTS]

    assert with_them == without
    sources = {table: {row.source for row in shops["with"].read(table).collect()} for table in
               (SEGMENTS, PROPENSITIES, RECOMMENDATIONS)}  # fmt: skip
    assert sources[SEGMENTS] == {"kmeans"}
    assert sources[PROPENSITIES] == {"logistic_regression"}
    assert "als" in sources[RECOMMENDATIONS]
    metrics = [
        sorted((row.entry, row.metric, row.model, str(plain(row.value))) for row in shops[name].read(METRICS).collect())
        for name in ("without", "with")
    ]
    assert metrics[0] == metrics[1]


def test_the_page_on_results_says_who_and_why(shops):
    (marked,) = [sql for sql in re.findall(r"```sql\n(.*?)```", PAGE, flags=re.DOTALL) if "suspect_reasons" in sql]
    answer = [*query_lake(shops["with"].lake, marked.strip(), "csv")]

    assert answer[0] == "user_id,suspect_reasons,measure,upper"
    assert [line.split(",")[0] for line in answer[1:]] == [*ROBOTS]
    assert {line.rpartition(",rate,")[2] for line in answer[1:]} == {"1000.0"}
