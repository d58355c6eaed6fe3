"""Every feature of a user, by group: what docs/features.md shows, features.users holds and a run computes."""

from shoal.tables.feature import Feature, Features
from shoal.tables.user_features.acts import HOW_MUCH, RATES, TRENDS, WHEN
from shoal.tables.user_features.contacts import CAMPAIGNS, CONTEXTS, REVIEWS
from shoal.tables.user_features.marks import MARKS
from shoal.tables.user_features.money import PAID
from shoal.tables.user_features.orders import BASKETS, GAPS, STEPS
from shoal.tables.user_features.rhythm import RHYTHM
from shoal.tables.user_features.scores import SCORES
from shoal.tables.user_features.sessions import BASKET, VISITS
from shoal.tables.user_features.tastes import TASTES

GROUPS: dict[str, list[Feature]] = {
    "When": WHEN,
    "How much": HOW_MUCH,
    "Money": PAID,
    "Orders and baskets": [*STEPS, *BASKETS],
    "Gaps between orders": GAPS,
    "Scores": SCORES,
    "Rates": RATES,
    "Trends": TRENDS,
    "Sessions": VISITS,
    "Open basket": BASKET,
    "Tastes": TASTES,
    "Rhythm": RHYTHM,
    "Channel, region, device": CONTEXTS,
    "Reviews": REVIEWS,
    "Campaigns and consent": CAMPAIGNS,
    "Out of the ordinary": MARKS,
}
FEATURES = Features(feature for group in GROUPS.values() for feature in group)
