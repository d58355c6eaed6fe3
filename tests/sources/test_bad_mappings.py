"""Every kind of wrong mapping is refused with its place, before anything runs."""

import pytest
import yaml
from bad_mappings import BAD_MAPPINGS, BAD_SQL, BAD_YAML, GOOD

from shoal.books.feeds import check_sql
from shoal.config.feed_files import feed_given
from shoal.errors import ConfigError


@pytest.fixture
def declared(tmp_path):
    """``declared(changes)``: the feed of a file with these keys in place of those of the good one."""

    def read(changes):
        path = tmp_path / "clicks.yaml"
        path.write_text(yaml.safe_dump({**GOOD, **changes}, sort_keys=False, allow_unicode=True))
        return feed_given(str(path))

    return read


def named(kinds):
    return [f"{changes!r:.60}" for changes, _ in kinds]


def test_the_mapping_that_the_others_are_made_of_is_good(spark, declared):
    feed = declared({})

    check_sql(spark, feed)  # raises where it finds a fault

    assert feed.name == GOOD["feed"]


@pytest.mark.parametrize(("changes", "said"), BAD_MAPPINGS, ids=named(BAD_MAPPINGS))
def test_a_wrong_mapping(declared, changes, said):
    with pytest.raises(ConfigError) as refused:
        declared(changes)

    headline, *lines = str(refused.value).splitlines()
    assert headline.endswith("clicks.yaml declares no feed that can be used:")
    assert any(said in line for line in lines), lines


@pytest.mark.parametrize(("content", "said"), BAD_YAML, ids=named(BAD_YAML))
def test_a_file_that_holds_no_mapping(tmp_path, content, said):
    path = tmp_path / "clicks.yaml"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as refused:
        feed_given(str(path))

    assert "clicks.yaml" in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(("changes", "said"), BAD_SQL, ids=named(BAD_SQL))
def test_sql_that_only_spark_can_judge(spark, declared, changes, said):
    with pytest.raises(ConfigError) as refused:
        check_sql(spark, declared(changes))

    assert f"\n  {said}" in str(refused.value)
