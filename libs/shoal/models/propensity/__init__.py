"""features.users -> propensities: how likely each user is to buy within a horizon (logistic regression).

Each input becomes one feature, and where it is null for some users a second one that says so:

- **signed log1p**, ``sign(x) * ln(1 + |x|)``, for counts, days and money, which are heavy-tailed; shares
  within 0..1 stay as they are.
- **null** takes the mean of the known values, so that it says nothing by itself; what it means (never
  bought, no second order, nothing spent in the window) is learned by the feature ``<input>_is_null``. Of
  several inputs that are null for the same users, the first one keeps that feature.
- **standardise** to mean 0 and population standard deviation 1. A feature without a value, or with only
  one, is dropped.

Classes are not weighted: weights would move every probability.
"""

from shoal.models.propensity.learning import Learned, learn
from shoal.models.propensity.model import BASE_RATE, LOGISTIC_REGRESSION, PropensityModel
from shoal.models.propensity.scoring import score

__all__ = ["BASE_RATE", "LOGISTIC_REGRESSION", "Learned", "PropensityModel", "learn", "score"]
