"""Who wants what: lists for users, of models that name items one after the other, and lists beside items."""

from shoal.models.recommend.acts import abandoned, acts, habits, owned
from shoal.models.recommend.als import ALS, AlsModel, FittedAls, LastFactors, fit, settings_of
from shoal.models.recommend.arranging import PINNED, arranged, candidates, is_arranged
from shoal.models.recommend.backtesting import Backtest, backtest, measure
from shoal.models.recommend.bought_together import bought_together
from shoal.models.recommend.buy_again import BUY_AGAIN, again_model
from shoal.models.recommend.by_segment import BY_SEGMENT, FittedBySegment, by_segment, shown_by_segment
from shoal.models.recommend.content import content_model
from shoal.models.recommend.fold_in import fingerprints, folded_in
from shoal.models.recommend.judging import Judgement, judge, members
from shoal.models.recommend.latest import ABANDONED_CART, cart_model
from shoal.models.recommend.lists import Explaining, Voice, lists, named_by, nothing, told
from shoal.models.recommend.new_items import NEW_ITEM, WithNewItems, with_new_items
from shoal.models.recommend.popularity import POPULARITY, best_sellers
from shoal.models.recommend.reasons import Because, because
from shoal.models.recommend.registry import OF_TASTE, fitted, learned_from, list_model
from shoal.models.recommend.rules import admitted, still_owned
from shoal.models.recommend.similar_items import similar_items
from shoal.models.recommend.strengths import strengths
from shoal.models.recommend.trending import TRENDING, trend_model

OF_ONES_OWN = (BUY_AGAIN, ABANDONED_CART)  # models that name what the user knows: as many rows as there is of that

__all__ = [
    "ABANDONED_CART", "ALS", "BUY_AGAIN", "BY_SEGMENT", "NEW_ITEM", "OF_ONES_OWN", "OF_TASTE", "PINNED", "POPULARITY",
    "TRENDING", "AlsModel", "Backtest", "Because", "Explaining", "FittedAls", "FittedBySegment", "Judgement",
    "LastFactors", "Voice", "WithNewItems", "abandoned", "acts", "admitted", "again_model", "arranged", "backtest",
    "because", "best_sellers", "bought_together", "by_segment", "candidates", "cart_model", "content_model",
    "fingerprints", "fit", "fitted", "folded_in", "habits", "is_arranged", "judge", "learned_from", "list_model",
    "lists", "measure", "members", "named_by", "nothing", "owned", "settings_of", "shown_by_segment", "similar_items",
    "still_owned", "strengths", "told", "trend_model", "with_new_items",
]  # fmt: skip
