"""A column that is missing, and the one that the producer may have made of it."""

import pytest

from shoal.sources import FEEDS
from shoal.sources.feed import Feed, RawColumn
from shoal.sources.renames import advice, undeclared

TILL = Feed(
    name="till",
    doc="receipts",
    columns=(
        RawColumn("article", "text", "its number", source="Art. Nr"),
        RawColumn("price", "decimal", "in euro"),
        RawColumn("customer", "text", "who bought", source="user.id"),
        RawColumn("at", "time", "when"),
    ),
    mapping={},
    natural_key=("article",),
    repeats_are_real=False,
    time_zone=None,
    currency="EUR",
    definition="{}",  # its own page of YAML
)
COLUMNS = ["Art. Nr", "price", "user", "at"]


@pytest.mark.parametrize("renamed", ["Art.-Nr", "ART NR", "art_nr", "Àrt Nr.", "Artnr2"])
def test_a_name_that_differs_in_case_signs_or_a_letter_is_suggested(renamed):
    said = advice(TILL, ["Art. Nr"], [renamed, *COLUMNS[1:]])

    assert said == [f'is {renamed} now what Art. Nr was? then add `from: "{renamed}"` to columns.article']


@pytest.mark.parametrize("other", ["Menge", "Till", "Artist", "order_no"])
def test_a_name_that_is_another_word_is_not(other):
    assert advice(TILL, ["Art. Nr"], [other, *COLUMNS[1:]]) == []


def test_a_declared_column_is_what_it_is_however_much_it_looks_like_another():
    feed = FEEDS["shoal"]

    assert advice(feed, ["event_time"], ["event_type", "event_id"]) == []


def test_a_column_that_stands_where_the_missing_one_stood_is_suggested():
    (said,) = advice(TILL, ["price"], ["Art. Nr", "amount", "user", "at"], before=COLUMNS)

    assert said == 'is amount now what price was? then add `from: "amount"` to columns.price'


@pytest.mark.parametrize(
    "found",
    [
        ["amount", "Art. Nr", "user", "at"],  # not in its place
        ["Art. Nr", "amount", "user", "at", "till"],  # others came too
        ["Art. Nr", "amount", "at", "user"],  # all were shuffled
    ],
)
def test_where_others_have_moved_a_place_says_nothing(found):
    assert advice(TILL, ["price"], found, before=COLUMNS) == []


def test_an_object_that_was_renamed_renames_the_path():
    (said,) = advice(TILL, ["user.id"], ["Art. Nr", "price", "User", "at"])

    assert said == 'is User now what user was? then add `from: "User.id"` to columns.customer'


def test_one_column_is_suggested_for_one_only():
    feed = FEEDS["shoal"]

    assert advice(feed, ["event_time", "event_type"], ["EventTime"]) == [
        "is EventTime now what event_time was? then name it so in the export, or declare a feed of your own"
    ]


def test_what_holds_something_declared_is_declared():
    assert undeclared(TILL, [*COLUMNS, "till"]) == ["till"]
