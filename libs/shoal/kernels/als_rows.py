"""The inner loop of ALS: one row after the other, by preconditioned conjugate gradients."""

from typing import Any

import numpy as np
import numpy.typing as npt

from shoal.kernels.jit import compiled_in_any_order

Floats = npt.NDArray[np.float32]


@compiled_in_any_order(
    "(int64[::1], int32[::1], float32[::1], float32[::1], float32[:,::1], float32[:,::1], "
    "int64, int64, float64, float64, int64)"
)
def improve_rows(
    indptr: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int32],
    strengths: Floats,
    eigen: Floats,
    fixed: Floats,
    rows: Floats,
    first: int,
    last: int,
    reg: Any,
    alpha: Any,
    steps: int,
) -> None:
    """Improve, in place, the factors ``rows[first:last]`` while the factors ``fixed`` of the other side stay.

    Row u is moved towards the solution of (D + sum_j a s_j y_j y_j') x = sum_j (1 + a s_j) y_j, where j runs over what
    the row is paired with, a is ``alpha`` and D = diag(eigen + reg x number of pairs). The dense part is diagonal
    because both sides are given in the eigenvectors of the Gram matrix of ``fixed`` (``eigen`` ascends), so a step
    costs no more than the pairs do. The diagonal of the whole matrix is the preconditioner (Saad 2003, algorithm 9.1).
    """
    rank = fixed.shape[1]
    residual = np.empty(rank, np.float32)
    direction = np.empty(rank, np.float32)
    image = np.empty(rank, np.float32)
    dense = np.empty(rank, np.float32)
    inverse = np.empty(rank, np.float32)
    for u in range(first, last):
        start, end = indptr[u], indptr[u + 1]
        x = rows[u]
        if start == end:
            x[:] = 0
            continue
        penalty = np.float32(reg * (end - start))
        # Without a penalty, directions that the other side does not span are nothing but rounding: they stay.
        least = np.float32(0) if penalty > 0 else np.float32(1e-6) * eigen[rank - 1]
        for t in range(rank):
            dense[t] = eigen[t] + penalty
            residual[t] = -dense[t] * x[t]
            inverse[t] = dense[t]
        for j in range(start, end):
            y = fixed[columns[j]]
            extra = np.float32(alpha) * strengths[j]
            product = np.float32(0)
            for t in range(rank):
                product += y[t] * x[t]
            pull = np.float32(1) + extra - extra * product
            for t in range(rank):
                residual[t] += pull * y[t]
                inverse[t] += extra * y[t] * y[t]
        level = np.float32(0)
        for t in range(rank):
            inverse[t] = np.float32(1) / inverse[t] if inverse[t] > least else np.float32(0)
            direction[t] = inverse[t] * residual[t]
            level += residual[t] * direction[t]
        enough = np.float32(1e-12) * level
        for _ in range(steps):
            if not level > enough:
                break
            for t in range(rank):
                image[t] = dense[t] * direction[t]
            for j in range(start, end):
                y = fixed[columns[j]]
                product = np.float32(0)
                for t in range(rank):
                    product += y[t] * direction[t]
                product *= np.float32(alpha) * strengths[j]
                for t in range(rank):
                    image[t] += product * y[t]
            curvature = np.float32(0)
            for t in range(rank):
                curvature += direction[t] * image[t]
            if not curvature > 0:
                break
            length = level / curvature
            following = np.float32(0)
            for t in range(rank):
                x[t] += length * direction[t]
                residual[t] -= length * image[t]
                following += residual[t] * inverse[t] * residual[t]
            turn = following / level
            for t in range(rank):
                direction[t] = inverse[t] * residual[t] + turn * direction[t]
            level = following
