"""A request is read or refused without Spark, everything that is wrong at once."""

import re
from datetime import date

import pytest

from shoal.errors import ConfigError
from shoal.evaluation.request import Split, asked, parsed_columns, parsed_lengths, parsed_split, parsed_weights

HERE = __file__


@pytest.fixture
def ask(tmp_path):
    """``ask(k="5")``: a request that makes sense but for what is named."""

    def build(**given):
        plain = {
            "interactions": HERE, "test": None, "split": "within-item:0.75", "columns": "user=u,item=i", "where": None,
            "k": "10", "negatives": None, "relevant": None, "weights": None, "rating": None, "half_life": None,
            "keep_seen": False, "tune": 0, "models": "popularity",
            "known_models": ["popularity", "als", "item_knn", "content"],
            "items": None, "item_columns": None, "resamples": 100, "seed": 1, "out": tmp_path / "metrics.json",
        }  # fmt: skip
        return asked(**{**plain, **given})

    return build


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("within-item:0.75", Split("within-item", share=0.75)),
        ("within-user:0.5", Split("within-user", share=0.5)),
        ("time:0.8", Split("time", share=0.8)),
        ("time:2011-09-10", Split("time", first_day=date(2011, 9, 10))),
        ("time:2011-09-10..2011-12-09", Split("time", first_day=date(2011, 9, 10), end_day=date(2011, 12, 9))),
        ("leave-last-out", Split("leave-last-out")),
        ("leave-one-out", Split("leave-one-out")),
    ],
)
def test_a_split_is_read_and_told_as_it_is_written(text, split):
    assert parsed_split(text) == split
    assert str(split) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "time", "time:", "time:0", "time:1", "time:80", "time:nan", "within-item", "within-item:x", "leave-last",
        "leave-last-out:3", "time:2011-13-01", "time:2011-09-10..2011-09-10", "time:2011-09-10..", "random:0.8",
    ],
)  # fmt: skip
def test_what_is_no_split_is_refused(text):
    with pytest.raises(ValueError):
        parsed_split(text)


def test_roles_of_columns():
    assert parsed_columns(" user = visitor id,item=sku") == ({"user": "visitor id", "item": "sku"}, [])
    assert parsed_columns("user=1,item=2,rating=3") == ({"user": "1", "item": "2", "rating": "3"}, [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user=u", "item= is missing"),
        ("user=u,item=i,ratings=r", "did you mean rating?"),
        ("user=u,item=i,user=v", "user is given twice"),
        ("user=u,item=u", "u is given for two roles"),
        ("user=u,item", "must be written ROLE=COLUMN"),
        ("user=0,item=1", "the first column is 1"),
        ("user=1,item=sku", "some are numbers and some are names"),
    ],
)
def test_wrong_roles_are_named(text, said):
    assert any(said in problem for problem in parsed_columns(text)[1])


def test_weights_and_lengths():
    assert parsed_weights("view=1, add to cart=2.5,a=b=0") == ({"view": 1.0, "add to cart": 2.5, "a=b": 0.0}, [])
    assert parsed_lengths("20,10,20") == (10, 20)
    for text in ("view", "view=-1", "view=x", "view=nan", "view=1,view=2", "view=0", "=1"):
        assert parsed_weights(text)[1], text
    for text in ("", "0", "1001", "ten", "-5", "1.5"):
        with pytest.raises(ValueError):
            parsed_lengths(text)


def test_everything_that_is_wrong_is_told_at_once(ask, tmp_path):
    with pytest.raises(ConfigError) as told:
        ask(
            columns="user=u,itm=i", split="sometimes", k="0", models="alz,popularity", weights="view=1",
            interactions="nowhere.csv", half_life=3.0, out=tmp_path / "no" / "metrics.json",
        )  # fmt: skip

    for said in (
        "unknown role 'itm'; did you mean item?", "item= is missing", "--split: unknown split 'sometimes'",
        "--k: must be a whole number within 1..1000", "unknown model 'alz'; did you mean als?",
        "event= is missing; --weights needs it", "time= is missing; --half-life needs it",
        "nowhere.csv does not exist", "no folder",
    ):  # fmt: skip
        assert said in str(told.value), said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"test": HERE}, "--test and --split: both were given"),
        ({"split": None}, "--test and --split: neither was given"),
        ({"split": "time:0.8"}, "time= is missing; --split time:0.8 needs it"),
        ({"split": "leave-last-out"}, "time= is missing"),
        ({"models": " , "}, "--models: is empty"),
        ({"relevant": ","}, "--relevant: is empty"),
        ({"negatives": "nowhere.csv"}, "--negatives: nowhere.csv does not exist"),
    ],
)
def test_what_does_not_go_together(ask, given, said):
    with pytest.raises(ConfigError, match=said.replace("(", "\\(")):
        ask(**given)


def test_a_good_request(ask):
    request = ask(columns="user=1,item=2", models="als,popularity,als", k="20,10", interactions="s3a://bucket/x")

    assert request.by_position
    assert request.models == ("als", "popularity")
    assert request.k == (10, 20)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models": "content"}, "--models: content compares what is said of items; give a table of that with --items"),
        ({"item_columns": "item=sku"}, "--item-columns: needs --items"),
        (
            {"items": HERE},
            "--items: needs --item-columns, which of its columns are item, title, category, brand, price",
        ),
        (
            {"items": HERE, "item_columns": "item=sku"},
            "--item-columns: name one more, of title, category, brand, price",
        ),
        ({"items": HERE, "item_columns": "title=name"}, "--item-columns: item= is missing"),
        ({"items": HERE, "item_columns": "item=a,titel=b"}, "unknown role 'titel'; did you mean title?"),
        ({"items": "no/such", "item_columns": "item=a,title=b"}, "--items: no/such does not exist"),
    ],
)
def test_what_is_said_of_items_is_named_with_its_columns(ask, given, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        ask(**given)


def test_content_may_be_measured_where_items_are_described(ask):
    request = ask(items=HERE, item_columns="item=sku,title=name", models="content")
    assert (request.items, request.item_columns) == (HERE, {"item": "sku", "title": "name"})
