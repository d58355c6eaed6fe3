"""Lists by content and blends, and items of a catalogue that nobody has touched, in a whole run."""

import json

import pytest
from deltalake import DeltaTable
from shelf import TINY

from shoal.models.recommend import NEW_ITEM, POPULARITY
from shoal.synthetic import synthesize, write
from shoal.tables import METRICS, RECOMMENDATIONS

pytestmark = pytest.mark.long

PLACES = 2
SETS = (
    *TINY, f"recommend.for_you.new_items={PLACES}", "recommend.for_you.test_days=7", "by_segment.min_buyers=10",
    "recommend.by_words={model: content, test_days: 7, min_interactions: 50}",
    "recommend.of_several={model: blend, test_days: 7, min_interactions: 50}",
    "recommend.unlearned={model: ease, weights: {favourites: 1.0e-9, views: 0, carts: 0, purchases: 0}, test_days: 7}",
)  # fmt: skip


@pytest.fixture(scope="module")
def found(spark, shelf_at, tmp_path_factory):
    """A run whose catalogue has a new item beside each of twelve that are known: what it says of both is the same."""
    folder = tmp_path_factory.mktemp("models")
    shop = synthesize(spark, users=150, items=48, days=30, seed=3)
    write(shop, folder / "shop")
    known = [row.asDict() for row in shop.truth["items"].orderBy("item_id").collect()]
    said = [
        {
            "item_id": f"{prefix}{row['item_id']}", "changed_at": "2025-01-01T08:00:00Z", "title": row["title"],
            "category": row["category"], "brand": row["brand"], "price": float(row["list_price"]),
        }
        for prefix, rows in (("", known), ("new-", known[:12])) for row in rows
    ]  # fmt: skip
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    shelf = shelf_at(folder / "lake")
    feeds = (("shoal_items", folder / "items.jsonl"), ("shoal", folder / "shop" / "events"))
    shelf.run(*feeds, as_of=shop.as_of, sets=SETS)
    return {t: DeltaTable(shelf.lake.path_of(t)).to_pandas() for t in (METRICS, RECOMMENDATIONS)}


def test_new_items_have_some_places_and_say_so(found):
    lists = found[RECOMMENDATIONS]
    for_you = lists[lists.list_name == "for_you"]
    is_new = for_you.item_id.str.startswith("new-")
    by_als = for_you[for_you.source.isin(["als", NEW_ITEM])]

    assert (for_you.source == NEW_ITEM).any()
    assert ((by_als.source == NEW_ITEM) == by_als.item_id.str.startswith("new-")).all()
    assert for_you[is_new & (for_you.source == NEW_ITEM)].groupby("user_id").size().max() <= PLACES
    assert for_you[for_you.source == NEW_ITEM].reason.str.startswith("because you ").any()
    assert not for_you.duplicated(["user_id", "item_group_id"]).any()


@pytest.mark.parametrize(("entry", "model"), [("by_words", "content"), ("of_several", "blend")])
def test_other_models_fill_lists_and_are_measured_beside_popularity(found, entry, model):
    lists, metrics = found[RECOMMENDATIONS], found[METRICS]
    rows = lists[lists.list_name == entry]
    values = metrics[metrics.entry == entry].set_index(["model", "metric"]).value

    assert rows.groupby("user_id").size().eq(10).all()
    assert 0 < values[model, "ndcg@10"] <= 1
    gap = values[model, "ndcg@10"] - values[POPULARITY, "ndcg@10"]
    assert values[model, f"ndcg@10 {model} - popularity"] == pytest.approx(gap, abs=1e-6)
    assert (model in {*rows.source}) == (values[model, f"ndcg@10 {model} - popularity high"] >= 0)


def test_popularity_stands_in_for_a_model_that_learns_nothing(found):
    lists, metrics = found[RECOMMENDATIONS], found[METRICS]
    said = metrics[(metrics.entry == "unlearned") & (metrics.metric == "stands_in")]

    assert "ease" not in {*lists[lists.list_name == "unlearned"].source}
    assert [*said.model] == [POPULARITY]
