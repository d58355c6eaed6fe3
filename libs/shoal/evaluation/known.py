"""Every model that can be measured, by its name: the one place that looks into the registry."""

from shoal.models.recommend.recommender import Recommender
from shoal.models.recommend.registry import RECOMMENDERS


def known_models() -> dict[str, Recommender]:
    """Each model with its default settings."""
    return {name: model() for name, model in RECOMMENDERS.items()}
