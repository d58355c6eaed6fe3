"""All lists of a run, with rules: no row breaks one, and whoever has fewer rows than asked for is counted."""

import pandas as pd
import pytest
from deltalake import DeltaTable
from shelf import TINY

from shoal.quality.known import LIST_RULES
from shoal.synthetic import synthesize, write
from shoal.tables import (
    EVENTS,
    ITEMS,
    METRICS,
    QUALITY,
    RECOMMENDATIONS,
    RECOMMENDATIONS_BY_SEGMENT,
    SEGMENTS,
    USER_FEATURES,
)

pytestmark = pytest.mark.long

RULES = (
    "recommend.for_you.rules.exclude_categories=[Sport]", "recommend.for_you.rules.max_per_category=2",
    "recommend.for_you.rules.max_per_brand=4", "recommend.for_you.rules.max_price=40",
    "recommend.for_you.rules.price_tier=4", "recommend.for_you.rules.bought_within_days={default: null, Food: 7}",
    "recommend.for_you.rules.pinned=[{item: i00001, rank: 2}]", "recommend.for_you.diversity=0.2",
    "recommend.for_you.rules.min_margin=0.1", "recommend.for_you.rules.exclude_items=[i00003]",
    "recommend.for_you.rules.exclude_brands=[nobody]", "recommend.for_you.test_days=7", "by_segment.min_buyers=10",
)  # fmt: skip


@pytest.fixture(scope="module")
def found(spark, shelf_at, tmp_path_factory):
    """Tables of a run as another reader gives them to pandas."""
    folder = tmp_path_factory.mktemp("lists")
    shop = synthesize(spark, users=150, items=48, days=30, seed=3)
    write(shop, folder / "shop")
    shelf = shelf_at(folder / "lake")
    shelf.run(("shoal", folder / "shop" / "events"), as_of=shop.as_of, sets=(*TINY, *RULES))
    made = {t: DeltaTable(shelf.lake.path_of(t)).to_pandas() for t in (
        EVENTS, ITEMS, METRICS, QUALITY, RECOMMENDATIONS, RECOMMENDATIONS_BY_SEGMENT, SEGMENTS, USER_FEATURES
    )}  # fmt: skip
    made["day"] = pd.Timestamp(shop.as_of).date()
    return made


@pytest.fixture(scope="module")
def for_you(found):
    lists = found[RECOMMENDATIONS]
    items = found[ITEMS][["item_id", "category", "brand", "cost"]].drop_duplicates("item_id")
    return lists[lists.list_name == "for_you"].merge(items, on="item_id", how="left")


def test_no_row_breaks_a_rule_of_its_list(found, for_you):
    free = for_you[for_you.source != "pinned"]

    assert not for_you.category.str.startswith("Sport").any()
    assert "i00003" not in {*for_you.item_id}
    assert for_you.groupby(["user_id", "category"]).size().max() == 2
    assert for_you.groupby(["user_id", "brand"]).size().max() <= 4
    assert for_you.price.dropna().astype(float).max() <= 40
    assert {*for_you[for_you.source == "pinned"].item_id} <= {"i00001"}
    assert not free.duplicated(["user_id", "item_group_id"]).any()
    places = for_you[for_you.source == "pinned"]
    lengths = for_you.groupby("user_id")["rank"].max()
    assert ((places["rank"] == 2) | (lengths[places.user_id].to_numpy() < 2)).all()


def test_what_was_bought_comes_again_only_of_food_and_after_a_week(found, for_you):
    events = found[EVENTS]
    bought = events[(events.event_type == "purchase") & events.user_id.notna() & ~events.is_deleted]
    last = bought.groupby(["user_id", "item_id"]).event_date.max()
    named = for_you.set_index(["user_id", "item_id"]).join(last, how="inner")

    assert named.category.str.startswith("Food").all()
    assert ((found["day"] - named.event_date).map(lambda days: days.days) > 7).all()


def test_prices_are_near_what_each_user_pays(found, for_you):
    events = found[EVENTS]
    lines = events[(events.event_type == "purchase") & (events.line_kind == "goods") & events.user_id.notna()
                   & ~events.is_deleted & events.amount_base.notna()]  # fmt: skip
    sums = lines.assign(paid=lines.amount_base.astype(float), pieces=lines.quantity.fillna(1)).groupby(
        ["user_id", "item_id"])[["paid", "pieces"]].sum()  # fmt: skip
    usual = (sums.paid / sums.pieces).groupby("user_id").median().rename("usual")
    named = for_you[for_you.source != "pinned"].merge(usual, on="user_id")
    ratio = named.price.astype(float) / named.usual

    assert len(named)
    assert ratio.dropna().between(1 / 4 - 1e-9, 4 + 1e-9).all()


def test_the_gate_has_judged_every_rule(found):
    judged = found[QUALITY]
    judged = judged[(judged.table_name == RECOMMENDATIONS.name) & judged.name.isin(LIST_RULES)]

    assert {*judged.name} == {*LIST_RULES}
    assert judged.success.all()


def test_whoever_has_fewer_rows_is_counted_with_the_reason(found):
    users = found[USER_FEATURES]
    active = users[(users.recency_event_days <= 180) & ~users.is_suspect]
    lengths = found[RECOMMENDATIONS].groupby(["list_name", "user_id"]).size()
    metrics = found[METRICS][found[METRICS].metric == "short_lists"].set_index("entry")

    assert {*metrics.index} == {"for_you", "buy_again", "trending", "abandoned_cart"}
    for name, row in metrics.iterrows():
        of_list = lengths[name] if name in lengths.index else pd.Series(dtype=int)
        assert row.value == len(active) - (of_list == 10).sum(), name
        assert f"of {len(active)} active users" in row.note
        assert f"{len(active) - len(of_list)} have none" in row.note
    assert "rules leave no more of 100 candidates" in metrics.note["for_you"]
    assert metrics.value["trending"] == 0, "popularity fills it"


def test_a_cart_is_abandoned_that_was_not_bought_since(found):
    events, lists = found[EVENTS], found[RECOMMENDATIONS]
    events = events[events.user_id.notna() & ~events.is_deleted]
    last = {kind: events[events.event_type == kind].groupby(["user_id", "item_id"]).event_date.max()
            for kind in ("cart", "purchase")}  # fmt: skip
    rows = lists[lists.list_name == "abandoned_cart"]

    assert len(rows)
    for row in rows.itertuples():
        carted, bought = (last[kind].get((row.user_id, row.item_id)) for kind in ("cart", "purchase"))
        assert bought is None or bought < carted
        assert str(carted) in row.reason


def test_trending_is_the_same_for_everybody(found):
    lists = found[RECOMMENDATIONS]
    ranked = lists[lists.list_name == "trending"].sort_values(["user_id", "rank"]).groupby("user_id").item_id.agg(tuple)

    assert ranked.nunique() == 1
    assert len(ranked.iloc[0]) == 10


def test_reasons_name_what_the_user_has_done(found, for_you):
    titles = found[ITEMS].groupby("title").item_id.agg(set)
    events = found[EVENTS][found[EVENTS].user_id.notna()]
    did = events.groupby(["user_id", "item_id"]).event_type.agg(set)
    said = for_you[for_you.reason.str.startswith("because you")]

    assert len(said) > len(for_you[for_you.source == "als"]) / 2
    for row in said.itertuples():
        title = row.reason.removeprefix("because you bought ").removeprefix("because you looked for ")
        acts = [did.get((row.user_id, item), set()) for item in titles[title]]
        wanted = {"purchase"} if "because you bought" in row.reason else {"view", "click", "favourite", "cart"}
        assert any(act & wanted for act in acts), row.reason


def test_segments_and_regions_list_what_most_of_them_bought(found):
    rows = found[RECOMMENDATIONS_BY_SEGMENT]
    segments = found[SEGMENTS].set_index("user_id").segment_id
    events = found[EVENTS]
    since = found["day"] - pd.Timedelta(days=90).to_pytimedelta()
    human = {*found[USER_FEATURES][~found[USER_FEATURES].is_suspect].user_id}
    bought = events[(events.event_type == "purchase") & (events.line_kind == "goods") & ~events.is_deleted
                    & events.user_id.isin(human) & (events.event_date >= since)]  # fmt: skip
    whole = rows[rows.segment_id.isna() & rows.region.isna()]
    buyers = bought.groupby("item_id").user_id.nunique()

    assert [*whole.sort_values("rank").buyers] == [*buyers.sort_values(ascending=False).head(10)]
    assert {*whole.group_buyers} == {bought.user_id.nunique()}
    of_segment = rows[rows.segment_id.notna() & rows.region.isna()]
    assert len(of_segment)
    for row in of_segment.itertuples():
        those = bought[bought.user_id.map(segments) == row.segment_id]
        assert row.group_buyers == those.user_id.nunique() >= 10
        assert row.buyers == those[those.item_id == row.item_id].user_id.nunique()
