"""Who wants what: lists for users, by implicit ALS and popular items where it knows nothing, and lists beside items."""

from shoal.models.recommend.als import AlsModel, FittedAls, fit
from shoal.models.recommend.bought_together import bought_together
from shoal.models.recommend.lists import ALS, BUY_AGAIN, POPULARITY, buy_again, recommend
from shoal.models.recommend.measuring import Judgement, judge, measure
from shoal.models.recommend.popularity import popular, popular_limit
from shoal.models.recommend.similar_items import similar_items
from shoal.models.recommend.strengths import habits, owned, strengths

__all__ = ["ALS", "BUY_AGAIN", "POPULARITY", "AlsModel", "FittedAls", "Judgement", "bought_together", "buy_again",
           "fit", "habits", "judge", "measure", "owned", "popular", "popular_limit", "recommend",
           "similar_items", "strengths"]  # fmt: skip
