"""Who wants what: lists for users, of models that name items one after the other, and lists beside items."""

from shoal.models.recommend.acts import acts, habits, owned
from shoal.models.recommend.als import ALS, AlsModel, FittedAls, fit
from shoal.models.recommend.bought_together import bought_together
from shoal.models.recommend.buy_again import BUY_AGAIN, again_model
from shoal.models.recommend.lists import Voice, lists, nothing
from shoal.models.recommend.measuring import Backtest, Judgement, backtest, judge, measure
from shoal.models.recommend.popularity import POPULARITY, best_sellers
from shoal.models.recommend.similar_items import similar_items
from shoal.models.recommend.strengths import strengths

__all__ = ["ALS", "BUY_AGAIN", "POPULARITY", "AlsModel", "Backtest", "FittedAls", "Judgement", "Voice", "acts",
           "again_model", "backtest", "best_sellers", "bought_together", "fit", "habits", "judge", "lists", "measure",
           "nothing", "owned", "similar_items", "strengths"]  # fmt: skip
