"""Who bought what by yesterday and today: some users have news, all else has faded by a day; a part is held out."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.recommend.work_als import SEED, drawn, named

ACTIVE = 0.05  # of the users have news
N = 20  # items of a list
_NEW = 0.1  # of the pairs of such a user, one at least
_HELD_OUT = 0.08
_FADED = 0.5 ** (1 / 90)  # what a day leaves of a strength, by Shoal's half-life


def make(folder: Path, pairs: int, users: int, items: int) -> None:
    """Write ``pairs.parquet`` and ``held_out.npz``; the same for the same numbers.

    ``strength`` is by today's clock, ``at_fit`` by that of yesterday's fit, which did not know what ``is_new``.
    """
    folder.mkdir(parents=True)
    user, item, times = drawn(pairs, users, items)
    rng = np.random.default_rng(SEED + 1)
    order = rng.permutation(len(user))
    learned, rest = order[:pairs], order[pairs : pairs + int(_HELD_OUT * pairs)]
    known_users, user_numbers = np.unique(user[learned], return_inverse=True)
    known_items, item_numbers = np.unique(item[learned], return_inverse=True)
    active = rng.random(len(known_users)) < ACTIVE
    is_new = active[user_numbers] & (rng.random(pairs) < _NEW)
    _, firsts = np.unique(user_numbers, return_index=True)
    is_new[firsts[active]] = True
    strength = times[learned].astype(np.float64)
    pq.write_table(
        pa.table(
            {
                **named(user_numbers, item_numbers),
                "strength": np.where(is_new, strength, np.round(strength * _FADED, 6)),
                "at_fit": np.where(is_new, np.round(strength / _FADED, 6), strength),
                "is_new": is_new,
            }
        ),
        folder / "pairs.parquet",
    )
    rest = rest[np.isin(user[rest], known_users) & np.isin(item[rest], known_items)]
    held = np.stack([np.searchsorted(known_users, user[rest]), np.searchsorted(known_items, item[rest])])
    np.savez(folder / "held_out.npz", measured_by=held, with_news=held[:, active[held[0]]])
