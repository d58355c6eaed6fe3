"""features.users -> segments: groups of buyers that behave alike (KMeans).

Each input is filled, clipped, logged and standardised before distances are measured:

- **null**: ``recency_days`` and ``gap_days`` take the high bound of the clip (no second order yet: the
  slowest rhythm there is); every other input takes 0 (no price, no piece, no return).
- **clip** at the 1 % and 99 % quantiles of the buyers; with fewer than 100 buyers further in, so that one
  buyer alone never sets a bound, but never beyond 5 % and 95 %.
- **signed log1p**, ``sign(x) * ln(1 + |x|)``: spend is heavy-tailed, and net spend may be negative.
- **standardise** to mean 0 and population standard deviation 1, rounded to 2**-16, so that sums of up to
  2**30 values are exact in binary floating point and no order of addition can change a centre.

An input without a value, or with only one, says nothing and is dropped.
"""

from shoal.models.segments.describing import assign, evaluate, profiles
from shoal.models.segments.fitting import fit
from shoal.models.segments.model import SegmentModel

__all__ = ["SegmentModel", "assign", "evaluate", "fit", "profiles"]
