"""features.user_item_days -> gold.recommendations: implicit ALS, and popular items where it knows nothing."""

from shoal.models.recommend.als import AlsModel, FittedAls, fit
from shoal.models.recommend.lists import ALS, POPULARITY, recommend
from shoal.models.recommend.measuring import Judgement, judge, measure
from shoal.models.recommend.popularity import popular, popular_limit
from shoal.models.recommend.strengths import owned, strengths

__all__ = ["ALS", "POPULARITY", "AlsModel", "FittedAls", "Judgement", "fit", "judge", "measure", "owned", "popular",
           "popular_limit", "recommend", "strengths"]  # fmt: skip
