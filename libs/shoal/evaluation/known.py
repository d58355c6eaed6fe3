"""Every model that can be measured, by its name."""

import importlib
from collections.abc import Mapping

from shoal.models.recommend.recommender import Recommender


def known_models() -> dict[str, Recommender]:
    """Each model with its default settings."""
    registry: Mapping[str, type[Recommender]] = importlib.import_module("shoal.models.recommend.registry").RECOMMENDERS
    return {name: model() for name, model in registry.items()}
