"""Rejected rows judged again: what a mended mapping lets pass enters silver once, and nothing is in two places."""

import pytest
from shelf import stopped_after
from test_own_feeds import TOLERANT, mended, till  # noqa: F401  (a fixture)

from shoal.books.runs import Replay
from shoal.errors import ConfigError
from shoal.reports.book_reports import quality_report, rejected_report
from shoal.tables import BATCHES, DAYS, EVENTS, ORDERS, QUALITY, REJECTED_EVENTS

# The page's file has six rows: four good ones, R4 whose price is the word "free", R5 that is a deposit.
PRICE, KIND = "price is a number", "event_type is one of its allowed values"
FREE_IS_TEXT = ("price: {from: Price, form: decimal}", "price: {from: Price}")  # another text form in bronze
A_DEPOSIT_IS_A_SALE = (
    ("sale: purchase", "sale: purchase, deposit: purchase"),
    ("item_id: article", """item_id: {sql: "coalesce(article, 'deposit')"}"""),
)


@pytest.fixture
def stocked(shelf, till):  # noqa: F811
    """The page's file in silver, two rows of it rejected; and its mapping."""
    mapping, receipts = till
    shelf.run((str(mapping), receipts), until="validate", sets=TOLERANT)
    return shelf, mapping


def replayed(shelf, mapping, *reasons, **more):
    (batch,) = shelf.read(BATCHES).collect()
    wanted = Replay((batch.batch_id,), reasons, (str(mapping),))
    shelf.run(first="validate", until="validate", replay=wanted, sets=TOLERANT, **more)


def standing(shelf):
    """Orders by the place of their rows: good ones in silver, bad ones by what they break."""
    rejected = {(r.position, *r.reasons) for r in shelf.read(REJECTED_EVENTS, "resolved_by IS NULL").collect()}
    return sorted(e.order_id for e in shelf.read(EVENTS).collect()), rejected


@pytest.mark.long
def test_what_passes_now_enters_silver_and_the_rest_keeps_its_reasons(stocked):
    shelf, mapping = stocked
    for old, new in A_DEPOSIT_IS_A_SALE:
        mended(mapping, old, new)

    replayed(shelf, mapping)

    assert standing(shelf) == (["R1", "R1", "R2", "R3", "R5"], {(6, PRICE)})
    (batch,) = shelf.read(BATCHES).collect()
    assert (batch.state, batch.rows_in, batch.rows_accepted, batch.rows_rejected) == ("validated", 6, 5, 1)
    assert "2025-03-04" in {str(day) for day in batch.touched_days}, "R5's day; features rebuild it"
    assert {o.order_id for o in shelf.read(ORDERS).collect()} == {"R1", "R2", "R5"}
    told = {(row.sequence, str(row.event_date)): row.events for row in shelf.read(DAYS).collect()}
    assert (told[2, "2025-03-04"], sum(told.values())) == (1, 5), "the replay is the first to tell of R5"
    (resolved,) = shelf.read(REJECTED_EVENTS, "resolved_by IS NOT NULL").collect()
    assert (resolved.position, resolved.resolved_by) == (7, 2)
    judged = {v.name: (v.rows, v.failures) for v in shelf.read(QUALITY, "sequence = 2").collect()}
    assert (judged[PRICE], judged[KIND]) == ((2, 1), (2, 0)), "two rows were judged again, one is bad still"


@pytest.mark.long
def test_the_reports_name_what_can_be_replayed_and_anything_else_is_refused(stocked):
    shelf, mapping = stocked
    (batch,) = shelf.read(BATCHES).collect()

    report = rejected_report(shelf.lake, feed="till", batch_ids=())

    assert f"{PRICE}: first in" in report
    assert "row 6" in report
    assert '"price":"free"' in report
    assert f"shoal replay --batch {batch.batch_id}" in report
    quality = quality_report(shelf.lake, feed="till", batches=28)
    line = next(line for line in quality.splitlines() if line.startswith(PRICE))
    assert "16.667%" in line, "one of six rows"
    with pytest.raises(ConfigError, match="did you mean till"):
        rejected_report(shelf.lake, feed="til", batch_ids=())
    with pytest.raises(ConfigError, match="no batch of it was judged"):
        quality_report(shelf.lake, feed="shoal", batches=28)

    # What cannot be replayed is said together, and changes nothing.
    before = shelf.lake.version(BATCHES)
    with pytest.raises(ConfigError) as refused:
        shelf.run(first="validate", until="validate", replay=Replay((f"{batch.batch_id}0",), ("price is a numbr",)))
    assert f"--batch {batch.batch_id}0: is no batch of this lake; did you mean {batch.batch_id}?" in str(refused.value)
    assert "--reason price is a numbr: no row of these batches was rejected for it" in str(refused.value)
    mended(mapping, *FREE_IS_TEXT)
    with pytest.raises(ConfigError, match="deliver the file again"):
        replayed(shelf, mapping)

    assert shelf.lake.version(BATCHES) == before


@pytest.mark.long
def test_a_reason_picks_the_rows(stocked):
    shelf, mapping = stocked
    for old, new in A_DEPOSIT_IS_A_SALE:
        mended(mapping, old, new)

    replayed(shelf, mapping, PRICE)
    assert standing(shelf)[0] == ["R1", "R1", "R2", "R3"]

    for _ in range(2):  # the second time no such row is left, and nothing changes
        replayed(shelf, mapping, KIND)
        assert standing(shelf) == (["R1", "R1", "R2", "R3", "R5"], {(6, PRICE)})


@pytest.mark.long
def test_a_replay_that_waits_does_not_swallow_another(stocked):
    """The first one mends nothing and dies once it is asked for; the second brings the right mapping."""
    shelf, mapping = stocked
    (batch,) = shelf.read(BATCHES).collect()
    stopped_after("merge ops.batches", shelf, first="validate", until="validate", sets=TOLERANT,
                  replay=Replay((batch.batch_id,), (PRICE,)))  # fmt: skip
    for old, new in A_DEPOSIT_IS_A_SALE:
        mended(mapping, old, new)

    replayed(shelf, mapping)

    assert standing(shelf) == (["R1", "R1", "R2", "R3", "R5"], {(6, PRICE)})


@pytest.mark.long
@pytest.mark.parametrize(("repeats", "sold"), [("false", ["mug", "plate"]), ("true", ["mug", "mug", "plate"])])
def test_alike_elements_of_a_list_are_what_the_feed_says_they_are(shelf, tmp_path, repeats, sold):
    """A basket of the same mug twice and a plate; at first nobody knows what `sold` means."""
    basket, mapping = tmp_path / "basket.jsonl", tmp_path / "basket.yaml"
    lines = '{"sku": "mug"}, {"sku": "mug"}, {"sku": "plate"}'
    basket.write_text(f'{{"id": "o1", "at": "2025-03-01T10:00:00Z", "kind": "sold", "lines": [{lines}]}}\n')
    mapping.write_text(
        f"feed: basket\nexplode: lines\nrepeats_are_real: {repeats}\n"
        "columns: {id: text, at: time, kind: text, sku: {from: 'lines[].sku'}}\n"
        "events: {event_type: kind, event_time: at, item_id: sku, order_id: id, user_id: {value: u1}}\n"
    )
    shelf.run((str(mapping), basket), until="validate", sets=("validate.max_rejected_share=1",))
    mended(mapping, "event_type: kind", "event_type: {from: kind, values: {sold: purchase}}")

    replayed(shelf, mapping)

    (batch,) = shelf.read(BATCHES).collect()
    # Where they are one event they are two versions of it: the first element alone keeps the list in `extra`.
    counts = (batch.rows_in, batch.rows_accepted, batch.rows_rejected, batch.rows_duplicate, batch.rows_ignored)
    assert counts == (3, 3, 0, 0, 0)
    assert sorted(e.item_id for e in shelf.read(EVENTS).collect()) == sold


@pytest.mark.long
def test_rows_that_are_no_events_any_more_are_ignored(stocked):
    shelf, mapping = stocked
    mended(mapping, "natural_key:", "ignore: kind = 'deposit'\nnatural_key:")

    replayed(shelf, mapping)

    (batch,) = shelf.read(BATCHES).collect()
    assert (batch.rows_accepted, batch.rows_rejected, batch.rows_ignored) == (4, 1, 1)
    assert standing(shelf) == (["R1", "R1", "R2", "R3"], {(6, PRICE)})


@pytest.mark.long
@pytest.mark.parametrize(
    "commit", ["merge ops.batches", "merge ops.claims", "append ops.quality", "append silver.events",
               "merge silver.orders", "merge silver.rejected_events"],
)  # fmt: skip
def test_a_replay_that_dies_is_finished_by_whoever_validates_next(stocked, commit):
    shelf, mapping = stocked
    for old, new in A_DEPOSIT_IS_A_SALE:
        mended(mapping, old, new)
    (batch,) = shelf.read(BATCHES).collect()
    stopped_after(commit, shelf, first="validate", until="validate", sets=TOLERANT,
                  replay=Replay((batch.batch_id,), (), (str(mapping),)))  # fmt: skip

    shelf.run(first="validate", until="validate", sets=TOLERANT)

    assert standing(shelf) == (["R1", "R1", "R2", "R3", "R5"], {(6, PRICE)})
    (batch,) = shelf.read(BATCHES).collect()
    assert (batch.state, batch.rows_accepted, batch.rows_rejected) == ("validated", 5, 1)
    assert batch.replay_reasons is None
