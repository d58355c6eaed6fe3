"""What a segment is called: its rank, permanent id, name and marks. No Spark in here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

CLEAR = 0.3  # standard deviations from the average buyer below which a direction is not worth a word
MOSTLY = 0.9  # share of buyers with a single order from which a segment is one of one-time buyers
LOYALTY = 0.3  # how much better another name must fit before a segment gives up the name it had
# A centre that moved further than this per input, in standard deviations, is another segment. On Online Retail the
# six centres of one fit lie at least 0.8 apart, and from month to month they move by 0.05 to 0.25.
SAME = 0.4
# How a buyer moves through life says more to a marketer than what is in a basket.
WEIGHTS = {"basket": 0.5, "ticket": 0.5}

# A name is given only where every direction it claims is clear: +1 above the average buyer, -1 below.
TEMPLATES: Mapping[str, Mapping[str, int]] = {
    "Champions": {"recency": -1, "frequency": +1, "spend": +1},
    "Loyal regulars": {"recency": -1, "frequency": +1, "tenure": +1},
    "Fast starters": {"tenure": -1, "frequency": +1},
    "New customers": {"recency": -1, "tenure": -1},
    "New one-time buyers": {"recency": -1, "tenure": -1, "once": +1},
    "One-time buyers": {"once": +1},
    "Lapsed one-time buyers": {"recency": +1, "once": +1},
    "At risk": {"recency": +1, "frequency": +1},
    "Lapsed big spenders": {"recency": +1, "spend": +1},
    "Lapsed": {"recency": +1},
    "Big-basket buyers": {"basket": +1},
    "Small-basket buyers": {"basket": -1},
    "Frequent small baskets": {"frequency": +1, "basket": -1},
    "Big-ticket buyers": {"ticket": +1},
    "Small low-value baskets": {"ticket": -1, "basket": -1},
    "Big spenders": {"spend": +1},
    "Low spenders": {"spend": -1},
    "Occasional buyers": {"frequency": -1, "tenure": +1},
    "Recent buyers": {"recency": -1},
    "Long-standing customers": {"tenure": +1},
}

_WORDS = {  # (below, above) the average buyer, for segments that no template fits
    "recency": ("recent", "silent"),
    "frequency": ("rare", "frequent"),
    "spend": ("low-spend", "high-spend"),
    "tenure": ("newer", "older"),
    "basket": ("small-basket", "large-basket"),
    "ticket": ("low-ticket", "high-ticket"),
}


@dataclass(frozen=True)
class Figures:
    """Plain figures of a group of buyers: one segment, or all of them."""

    users: int
    recency: float  # mean days since the last order
    median_recency: float  # days since the last order
    frequency: float  # orders per buyer
    tenure: float  # mean days since the first event
    once: float  # share of buyers with exactly one order
    basket: float | None  # mean lines of goods per order; None where no buyer has a value
    net: Decimal | None  # their net spend together, shop's currency; None without prices
    ticket: float | None  # spend per order, shop's currency; None without prices

    @property
    def spend(self) -> float | None:
        """Net spend per buyer, shop's currency; None without prices."""
        return None if self.net is None else float(self.net / self.users)


def rank_key(figures: Figures) -> tuple[float, float, float]:
    """Sorts the best segment first: highest mean net spend (without prices most orders), then recency."""
    return (-(figures.spend or 0.0), -figures.frequency, figures.recency)


def profile(segment: Figures, everyone: Figures) -> dict[str, Any]:
    """The figures of a row of ``gold.segment_profiles``, by column."""
    net, total = segment.net, everyone.net
    return {
        "users": segment.users,
        "user_share": segment.users / everyone.users,
        "net_spend": net,
        "net_spend_share": float(net / total) if net is not None and total is not None and total > 0 else None,
        "mean_net_spend": segment.spend,
        "median_recency_days": segment.median_recency,
        "mean_frequency": segment.frequency,
        "mean_order_value": segment.ticket,
        "marks": marks(segment, everyone),
    }


def leans(segment: Figures, everyone: Figures, scaled: Mapping[str, float]) -> dict[str, float]:
    """How far a segment leans from the average buyer, by figure, in standard deviations.

    ``scaled`` holds the segment's means on the clipped, logged scale, which no single buyer can bend. A lean
    counts only where the plain mean points the same way, so that a name agrees with the table of profiles.

    Returns:
        One value for each figure that can be compared; 0 where the two scales disagree.
    """
    found: dict[str, float] = {}
    for name, lean in scaled.items():
        mine, theirs = getattr(segment, name), getattr(everyone, name)
        if mine is not None and theirs is not None:
            found[name] = lean if (mine - theirs) * lean > 0 else 0.0
    if 0 < everyone.once < 1:
        spread = sqrt(everyone.once * (1 - everyone.once))
        found["once"] = (segment.once - everyone.once) / spread if segment.once >= MOSTLY else 0.0
    return found


def names(segments: Sequence[Mapping[str, float]], kept: Sequence[str | None]) -> list[str]:
    """A different name for each segment, such that the names together fit best and each is true.

    A template fits as far as the segment leans along it: the weighted scalar product with its unit vector. The
    assignment is one to one and maximises the sum (Hungarian method).

    Args:
        segments: the leans of each segment, in a fixed order, which breaks ties.
        kept: the name each had in the previous model; it stays while it is true and no other fits clearly
            better. None for a new segment.
    """
    if len(segments) == 1:
        return ["All buyers"]
    fits = [[_fit(lean, claims) for claims in TEMPLATES.values()] for lean in segments]
    for row, name in enumerate(kept):
        if name is not None and name in TEMPLATES:
            fits[row][list(TEMPLATES).index(name)] += LOYALTY
    # One column per segment for "no template": worth nothing, but better than a name that is not true.
    rows, columns = linear_sum_assignment(np.hstack([fits, np.zeros((len(segments),) * 2)]), maximize=True)
    templates = [*TEMPLATES, *("" for _ in segments)]
    chosen = {int(row): templates[column] for row, column in zip(rows, columns, strict=True)}
    return _numbered([chosen[row] or _described(lean) for row, lean in enumerate(segments)])


def _fit(lean: Mapping[str, float], claims: Mapping[str, int]) -> float:
    along = {name: sign * lean.get(name, 0.0) for name, sign in claims.items()}
    if min(along.values()) < CLEAR:
        return -1e6
    return sum(WEIGHTS.get(name, 1.0) * value for name, value in along.items()) / sqrt(len(along))


def _described(lean: Mapping[str, float]) -> str:
    """The two strongest directions in words, for a segment that no free template fits."""
    clear = sorted((-abs(lean[name]), name) for name in _WORDS if abs(lean.get(name, 0.0)) >= CLEAR)
    words = [_WORDS[name][lean[name] > 0] for _, name in clear[:2]]
    return f"{', '.join(words)} buyers".capitalize() if words else "Average buyers"


def _numbered(wanted: Sequence[str]) -> list[str]:
    return [
        name if name not in wanted[:place] else f"{name} ({wanted[:place].count(name) + 1})"
        for place, name in enumerate(wanted)
    ]


def marks(segment: Figures, everyone: Figures) -> str:
    """What sets a segment apart from the average buyer, in words with its own figures."""
    ago, usual = _number(segment.median_recency), _number(everyone.median_recency)
    said = [_orders(segment, everyone), f"last order {ago} days ago (median; all buyers {usual})"]
    if segment.spend is not None:
        said.append(f"net spend {segment.spend:.2f} per buyer{_times(segment.spend, everyone.spend)}")
    return ", ".join(said)


def _orders(segment: Figures, everyone: Figures) -> str:
    if segment.once == 1:
        return "ordered once"
    ratio = _ratio(segment.frequency, everyone.frequency)
    return f"orders {'as' if ratio == '1.0' else f'{ratio}x as'} often as the average buyer"


def _times(mine: float, theirs: float | None) -> str:
    """The ratio in brackets, where one makes sense: net spend may be negative."""
    return f" ({_ratio(mine, theirs)}x the average)" if theirs is not None and theirs > 0 and mine >= 0 else ""


def _ratio(mine: float, theirs: float) -> str:
    """One decimal; below a tenth one significant digit, so that little does not read as nothing."""
    ratio = mine / theirs
    return f"{ratio:.1f}" if ratio >= 0.095 or ratio == 0 else f"{ratio:.1g}"


def _number(days: float) -> str:
    return f"{days:.1f}".removesuffix(".0")


def same_segments(centres: NDArray[np.float64], previous: NDArray[np.float64]) -> list[int | None]:
    """Which previous centre each centre continues, both in the same space of standard deviations.

    The pairing is one to one and keeps the sum of distances least (Hungarian method). Distances are per input
    (root mean square); those beyond ``SAME`` all cost the same, so that a new segment pushes no other away.

    Returns:
        For each centre the row of the previous one, or None where it is new.
    """
    if centres.shape[1] == 0:  # no inputs: one segment each
        return [0]
    far = np.sqrt(((centres[:, None, :] - previous[None, :, :]) ** 2).mean(axis=2))
    rows, columns = linear_sum_assignment(np.minimum(far, SAME))
    pairs = {int(r): int(c) for r, c in zip(rows, columns, strict=True) if far[r, c] < SAME}
    return [pairs.get(row) for row in range(len(centres))]
