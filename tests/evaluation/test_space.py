"""Configurations are drawn from the space, seeded and without repetition, and lead to settings."""

import random

from recommenders import Taste

from shoal.evaluation.lists import Setting
from shoal.evaluation.pairs import Strength
from shoal.evaluation.space import Known, applied, defaults_of, drawn, model_space, neighbour, strength_space

SPACE = {"model.sign": (-1, 1), "weights.view": (0.0, 1.0, 3.0), "weights.buy": (0.0, 1.0, 3.0), "cap": (1.0, None)}


def test_the_same_seed_draws_the_same_and_another_others():
    one = drawn(SPACE, 8, "5 taste")

    assert one == drawn(SPACE, 8, "5 taste") != drawn(SPACE, 8, "6 taste")
    assert one[0] == {}  # the defaults
    assert len(one) == 8
    assert all(one.count(each) == 1 for each in one)


def test_a_small_space_is_drawn_whole():
    found = drawn({"model.sign": (-1, 1), "cap": (1.0, None)}, 20, "1")

    assert len(found) == 1 + 4
    assert drawn({}, 20, "1") == [{}]


def test_some_event_always_weighs():
    for one in drawn(SPACE, 30, "2")[1:]:
        assert one["weights.view"] or one["weights.buy"]
    rng, lonely = random.Random(1), {"weights.view": 1.0, "weights.buy": 0.0}
    for _ in range(40):
        moved = neighbour(lonely, {}, SPACE, rng)
        assert moved["weights.view"] or moved["weights.buy"]


def test_a_neighbour_differs_in_one_value_by_one_step():
    rng, seen = random.Random(3), set()
    for _ in range(60):
        moved = neighbour({"weights.view": 1.0}, {"cap": None, "model.sign": 1, "weights.buy": 1.0}, SPACE, rng)
        changed = {name: value for name, value in moved.items() if {"weights.view": 1.0}.get(name) != value}
        assert len(changed) == 1
        seen |= {*changed.items()}

    assert seen == {
        ("weights.view", 0.0), ("weights.view", 3.0), ("weights.buy", 0.0), ("weights.buy", 3.0), ("cap", 1.0),
        ("model.sign", -1),
    }  # fmt: skip


def test_a_configuration_becomes_settings():
    setting = Setting(Taste(), Strength(weights={"cart": 2.0}))
    found = applied(setting, {"model.sign": -1, "weights.view": 3.0, "cap": 1.0})

    assert found == Setting(Taste(sign=-1), Strength(weights={"cart": 2.0, "view": 3.0}, cap=1.0))
    assert applied(setting, {}) == setting
    assert defaults_of(found, SPACE) == {"model.sign": -1, "weights.view": 3.0, "weights.buy": 1.0, "cap": 1.0}


def test_what_can_be_tuned_follows_from_the_table():
    known = Known(("buy", "view"), has_rating=False, has_repeats=True, span_days=128.0)

    assert strength_space(known, []) == {
        "weights.buy": (0.0, 0.1, 0.3, 1.0, 3.0, 10.0), "weights.view": (0.0, 0.1, 0.3, 1.0, 3.0, 10.0),
        "half_life_days": (4, 16, 64, None), "cap": (1.0, 3.0, None),
    }  # fmt: skip
    assert {*strength_space(known, ["weights", "half_life_days"])} == {"cap"}
    rated = Known((), has_rating=True, has_repeats=False, span_days=0.0)
    assert strength_space(rated, []) == {"rating": ("ignored", "log", "as_given")}
    assert strength_space(Known(("buy",), False, False, 0.0), []) == {}
    assert model_space(Taste()) == {"model.sign": (-1, 1)}
