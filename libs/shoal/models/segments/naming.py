"""What a segment is called: its rank, permanent id, name and marks. No Spark in here."""

import heapq
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Claim = tuple[str, int]  # a figure, and +1 for above or -1 for below the average buyer
Flags = NDArray[np.bool_]  # of segments by claims

CLEAR = 0.3  # standard deviations from the average buyer below which a direction is not worth a word
MOSTLY = 0.9  # share of buyers with a single order from which a segment is one of one-time buyers
LOYALTY = 0.3  # how much better another name must fit before a segment gives up the name it had
MOST_TRIED = 100  # assignments, before the first good one is taken for the best
UNNAMED = -0.5  # what it is worth to leave a segment without a name and to describe it in words
# A centre that moved further than this per input, in standard deviations, is another segment. On Online Retail the
# six centres of one fit lie at least 0.8 apart, and from month to month they move by 0.05 to 0.25.
SAME = 0.4
# How a buyer moves through life says more to a marketer than what is in a basket.
WEIGHTS = {"basket": 0.5, "ticket": 0.5}

# A name is given only where every direction it claims is clear: +1 above the average buyer, -1 below. What its words
# compare (all it claims, unless COMPARED says less) must hold against the other segments too.
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
    "Lapsed low spenders": {"recency": +1, "spend": -1},
    "Lapsed small baskets": {"recency": +1, "basket": -1},
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

# Nobody reads "champions" as those who ordered last, nor "at risk" as those who ordered most.
COMPARED: Mapping[str, Collection[str]] = {
    "Champions": {"spend"},
    "Loyal regulars": {"frequency"},
    "Fast starters": {"tenure"},
    "New customers": {"tenure"},
    "New one-time buyers": {"tenure", "once"},
    "At risk": {"recency"},
    "Occasional buyers": {"frequency"},
}

_WORDS: Mapping[Claim, str] = {  # for segments that no template fits
    ("recency", -1): "recent",
    ("recency", +1): "silent",
    ("frequency", -1): "rare",
    ("frequency", +1): "frequent",
    ("spend", -1): "low-spend",
    ("spend", +1): "high-spend",
    ("tenure", -1): "newer",
    ("tenure", +1): "older",
    ("basket", -1): "small-basket",
    ("basket", +1): "large-basket",
    ("ticket", -1): "low-ticket",
    ("ticket", +1): "high-ticket",
    ("once", +1): "one-time",
}
_MOST_WORDS = 2

_CLAIMS = (*_WORDS,)
_SAYS = np.array([[claims.get(name) == sign for name, sign in _CLAIMS] for claims in TEMPLATES.values()])
_COMPARES = _SAYS & np.array(
    [[f in COMPARED.get(name, claims) for f, _ in _CLAIMS] for name, claims in TEMPLATES.items()]
)
# How many digits after the point readers see of each figure: less is no difference.
_DIGITS = {"recency": 1, "frequency": 1, "spend": 2, "tenure": 0, "basket": 1, "ticket": 2, "once": 2}
_USUAL = ("frequency", "recency", "spend")  # what marks tell of every segment
_TOLD_BY = {"once": "frequency", "tenure": "frequency"}  # one phrase tells all three
_UNTRUE = -1e6  # what no sum of fits outweighs


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


def shown(figures: Figures) -> dict[str, float | None]:
    """A segment's figures as readers see them, by which names are compared; null where they are not known."""
    known = {name: getattr(figures, "median_recency" if name == "recency" else name) for name in _DIGITS}
    return {name: None if value is None else round(value, _DIGITS[name]) for name, value in known.items()}


def profile(segment: Figures, everyone: Figures, name: str) -> dict[str, Any]:
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
        "marks": marks(segment, everyone, name),
    }


def leans(segment: Figures, everyone: Figures, scaled: Mapping[str, float]) -> dict[str, float]:
    """How far a segment leans from the average buyer, by figure, in standard deviations.

    ``scaled`` holds the segment's means on the clipped, logged scale, which no single buyer can bend. A lean
    counts only where the plain mean points the same way, and of recency the median, which is shown, not the other
    way, so that a name agrees with the table of profiles.

    Returns:
        One value for each figure that can be compared; 0 where the two scales disagree.
    """
    found: dict[str, float] = {}
    for name, lean in scaled.items():
        mine, theirs = getattr(segment, name), getattr(everyone, name)
        if mine is not None and theirs is not None:
            found[name] = lean if (mine - theirs) * lean > 0 else 0.0
    if (segment.median_recency - everyone.median_recency) * found.get("recency", 0.0) < 0:
        found["recency"] = 0.0
    if 0 < everyone.once < 1:
        spread = sqrt(everyone.once * (1 - everyone.once))
        found["once"] = (segment.once - everyone.once) / spread if segment.once >= MOSTLY else 0.0
    return found


def names(
    segments: Sequence[Mapping[str, float]],
    kept: Sequence[str | None],
    shown: Sequence[Mapping[str, float | None]] | None = None,
) -> list[str]:
    """A different name for each segment, such that the names together fit best and each is true.

    A template fits as far as the segment leans along it: the weighted scalar product with its unit vector. The
    assignment is one to one and maximises the sum (Hungarian method). A name that compares must hold against the
    other segments as well: where one of them goes as far and its name does not say so, either the first may not
    claim it or the other must, whichever costs less of the fit.

    Args:
        segments: the leans of each segment, in a fixed order, which breaks ties.
        kept: the name each had in the previous model; it stays while it is true and no other fits clearly
            better. None for a new segment.
        shown: the figures of each segment as readers see them, by which segments are compared; None: the leans.
    """
    if len(segments) == 1:
        return ["All buyers"]
    signs = np.array([sign for _, sign in _CLAIMS])
    clear = signs * _by_claim(segments) >= CLEAR
    figures = signs * _by_claim(segments if shown is None else shown)
    as_far = figures[None, :, :] >= figures[:, None, :]  # [this, other, claim]; never where one is unknown
    chosen, wanted = _consistent(_fits(segments, kept), clear, as_far)
    says = _with_words(chosen, wanted, _by_claim(segments), clear, as_far)
    given = [*TEMPLATES]
    return _numbered([
        given[template] if template < len(given) else _described(says[row], clear[row])
        for row, template in enumerate(chosen)
    ])  # fmt: skip


def _by_claim(values: Sequence[Mapping[str, float | None]]) -> NDArray[np.float64]:
    """One column for each claim; unknown figures are not a number."""
    return np.array([[row.get(name) for name, _ in _CLAIMS] for row in values], dtype=np.float64)


def _fits(segments: Sequence[Mapping[str, float]], kept: Sequence[str | None]) -> NDArray[np.float64]:
    """How well each template fits each segment."""
    fits = np.array([[_fit(lean, claims) for claims in TEMPLATES.values()] for lean in segments])
    for row, name in enumerate(kept):
        if name is not None and name in TEMPLATES:
            fits[row, [*TEMPLATES].index(name)] += LOYALTY
    return fits


def _fit(lean: Mapping[str, float], claims: Mapping[str, int]) -> float:
    along = {name: sign * lean.get(name, 0.0) for name, sign in claims.items()}
    if min(along.values()) < CLEAR:
        return _UNTRUE
    return sum(WEIGHTS.get(name, 1.0) * value for name, value in along.items()) / sqrt(len(along))


def _consistent(fits: NDArray[np.float64], clear: Flags, as_far: Flags) -> tuple[list[int], Flags]:
    """The template of each segment, beyond the last where none may be given, and what each name must claim.

    Best first: an assignment that ignores a contradiction is worth at least as much as each way to mend it.
    """
    nothing = np.zeros_like(clear)
    ways = [(0.0, 0, nothing, nothing)]
    for tried in count(1):
        _, _, barred, wanted = heapq.heappop(ways)
        chosen, _ = _assigned(fits, barred, wanted)
        says, compares = _said(chosen, _SAYS, wanted), _said(chosen, _COMPARES, wanted)
        broken = np.argwhere(compares[:, None, :] & ~says[None, :, :] & as_far)
        if not len(broken):
            return chosen, wanted
        this, other, claim = broken[0]
        mended = []
        if not wanted[this, claim]:
            mended.append((_and(barred, this, claim), wanted))
        if clear[other, claim] and not barred[other, claim]:
            mended.append((barred, _and(wanted, other, claim)))
        if tried > MOST_TRIED:  # many segments: go on from here only
            ways = []
        if not mended and not ways:  # one who goes as far cannot say so: nobody may
            mended.append((_and(barred, slice(None), claim), _and(wanted, slice(None), claim, False)))
        for number, way in enumerate(mended):
            heapq.heappush(ways, (-_assigned(fits, *way)[1], 2 * tried + number, *way))
    raise AssertionError("each step bars or wants one claim more, and there are few")


def _assigned(fits: NDArray[np.float64], barred: Flags, wanted: Flags) -> tuple[list[int], float]:
    """The best assignment of templates under what is barred and wanted, and the sum of its fits."""
    may = ~(barred[:, None, :] & _SAYS).any(axis=2) & ~(wanted[:, None, :] & ~_SAYS).any(axis=2)
    # One column per segment for "no template": better only than a name that is not true, or fits others far better.
    worth = np.hstack([np.where(may, fits, _UNTRUE), np.full((len(fits),) * 2, UNNAMED)])
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [int(column) for column in columns], float(worth[rows, columns].sum())


def _and(flags: Flags, row: int | slice, column: int, value: bool = True) -> Flags:
    more = flags.copy()
    more[row, column] = value
    return more


def _said(chosen: Sequence[int], of_templates: Flags, wanted: Flags) -> Flags:
    """What the name of each segment says; that of one without a template what it must."""
    return np.array([of_templates[t] if t < len(of_templates) else wanted[row] for row, t in enumerate(chosen)])


def _with_words(chosen: Sequence[int], wanted: Flags, leans: NDArray[np.float64], clear: Flags, as_far: Flags) -> Flags:
    """What each name says once segments without a template have words for their strongest clear directions that hold.

    A word of one may let another one's hold, so they are given until none is left to give.
    """
    says = _said(chosen, _SAYS, wanted)
    described = [row for row, template in enumerate(chosen) if template >= len(_SAYS)]

    def next_words() -> Iterator[tuple[int, int]]:
        for row in described:
            holds = clear[row] & ~says[row] & ~(as_far[row] & ~says).any(axis=0)
            words = [claim for claim in range(len(_CLAIMS)) if holds[claim]]
            if words and says[row].sum() < _MOST_WORDS:
                yield row, max(words, key=lambda claim: abs(leans[row, claim]))

    while word := next(next_words(), None):
        says[word] = True
    return says


def _described(says: NDArray[np.bool_], clear: NDArray[np.bool_]) -> str:
    """Directions in words, for a segment that no free template fits."""
    words = [word for word, is_said in zip(_WORDS.values(), says, strict=True) if is_said]
    if not words:
        return "Other buyers" if clear.any() else "Average buyers"
    return f"{', '.join(words)} buyers".capitalize()


def _numbered(wanted: Sequence[str]) -> list[str]:
    return [
        name if name not in wanted[:place] else f"{name} ({wanted[:place].count(name) + 1})"
        for place, name in enumerate(wanted)
    ]


def claims_of(name: str) -> list[str]:
    """The figures that a name speaks of; none for names such as "All buyers"."""
    if name in TEMPLATES:
        return [*TEMPLATES[name]]
    words = re.split(r",? ", name.lower())
    return [figure for (figure, _), word in _WORDS.items() if word in words]


def marks(segment: Figures, everyone: Figures, name: str = "") -> str:
    """What sets a segment apart, in words with its own figures: first what its name speaks of, then the usual.

    Orders are counted over a buyer's whole life, so the days since buyers were first seen stand beside them.
    """
    phrases = {
        "frequency": _orders(segment, everyone),
        "recency": f"last order {_number(segment.median_recency)} days ago "
        f"(median; all buyers {_number(everyone.median_recency)})",
        "spend": None if segment.spend is None else
        f"net spend {segment.spend:.2f} per buyer{_times(segment.spend, everyone.spend)}",
        "basket": _beside("{:.1f} lines of goods per order", segment.basket, everyone.basket),
        "ticket": _beside("{:.2f} per order", segment.ticket, everyone.ticket),
    }  # fmt: skip
    spoken = [_TOLD_BY.get(figure, figure) for figure in claims_of(name)]
    said = [phrases[figure] for figure in dict.fromkeys([*spoken, *_USUAL])]
    return ", ".join(phrase for phrase in said if phrase)


def _orders(segment: Figures, everyone: Figures) -> str:
    orders = "1 order" if segment.once == 1 else f"{segment.frequency:.1f} orders"
    return (
        f"{orders} per buyer, first seen {segment.tenure:.0f} days ago "
        f"(means; all buyers {everyone.frequency:.1f} and {everyone.tenure:.0f})"
    )


def _beside(form: str, mine: float | None, theirs: float | None) -> str | None:
    """A figure beside that of all buyers; None where it is not known."""
    if mine is None or theirs is None:
        return None
    return f"{form.format(mine)} (all buyers {form.format(theirs).split()[0]})"


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
