"""Labels of a file: numbers, yes and no, and text, one row per user."""

import numpy as np
import pytest
from pyspark.sql import functions as F

from shoal.errors import ConfigError
from shoal.features.label_files import labels_of_file
from shoal.models.selection import examine
from shoal.models.selection.examining import Column


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "labels.csv"
        path.write_text(text)
        return str(path)

    return write


def test_each_label_is_a_number(spark, written):
    path = written(
        "user_id,buys,tier,worth\nu1,true,silver,3.5\nu2,FALSE,gold,\nu3,,  ,-1\nu4,1,silver,7\n"
    )  # fmt: skip

    with labels_of_file(spark, path) as labels:
        rows = sorted(labels.rows.select("user_id", *labels.columns.values()).collect())
        assert (labels.users, [*labels.columns]) == (4, ["buys", "tier", "worth"])

    assert [tuple(row) for row in rows] == [
        ("u1", 1.0, 2.0, 3.5), ("u2", 0.0, 1.0, None), ("u3", None, None, -1.0), ("u4", 1.0, 2.0, 7.0),
    ]  # fmt: skip


def test_as_many_kinds_as_a_label_may_have_are_classes_and_no_tenths(spark, written):
    """Each kind is told from every other by a feature that has one value for it, whatever the kinds are called."""
    kinds = 20
    path = written("user_id,kind\n" + "".join(f"u{n},kind {n % kinds}\n" for n in range(2 * kinds)))

    with labels_of_file(spark, path) as labels:
        rows = labels.rows.select(F.array(*labels.columns.values(), *labels.columns.values()).alias("values"))
        found = examine(rows, [Column("itself")], ["kind"])

    assert found.labels["kind"].entropy == pytest.approx(np.log2(kinds))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user,label\nu1,1\n", "has no column user_id; did you mean user?"),
        ("user_id\nu1\n", "has no column beside user_id"),
        ("user_id,as_of,label\nu1,2025-01-01,1\n", "its column as_of is no label"),
        ("user_id,label\n", "has no row with a user_id"),
        ("user_id,label\nu1,1\n,0\n", "some rows have no user_id"),
        ("user_id,label\nu1,1\nu1,0\nu2,1\n", "3 rows are of 2 users, 2 of them of u1; leave one row per user"),
        ("user_id,label\nu1,1\nu2,n/a\n", "its column label has numbers and text, such as 'n/a'"),
        ("user_id,label\n" + "".join(f"u{n},kind {n}\n" for n in range(21)), "more than 20 different texts"),
        ("user_id," + ",".join(f"l{n}" for n in range(11)) + "\n", "has 11 columns beside user_id"),
    ],
)
def test_what_cannot_be_used_is_said(spark, written, text, said):
    with pytest.raises(ConfigError, match="cannot use these labels") as error, labels_of_file(spark, written(text)):
        pass

    assert said in str(error.value)
