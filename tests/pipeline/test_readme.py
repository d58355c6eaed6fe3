"""The README's questions are answered, by the command that it names."""

import re
from pathlib import Path

import pytest

from shoal.tools import query_lake

pytestmark = pytest.mark.slow  # minutes of fitting; run by `make test-slow`

README = Path(__file__).parents[2] / "README.md"
QUESTIONS = [q.strip() for q in re.findall(r"```sql\n(.*?)```", README.read_text(), flags=re.DOTALL)]


@pytest.fixture(scope="module")
def shop(shelf_at, synthetic_shop, tmp_path_factory):
    shelf = shelf_at(tmp_path_factory.mktemp("readme") / "lake")
    shelf.run(("shoal", synthetic_shop.events), as_of=synthetic_shop.shop.as_of)
    return shelf


def test_there_are_ten_questions():
    assert len(QUESTIONS) == 10


@pytest.mark.parametrize("number", range(1, 11))
def test_a_question_is_answered(shop, number):
    answer = query_lake(shop.lake, QUESTIONS[number - 1], "csv")

    assert len(answer.splitlines()) > 1, "no rows below the header"
