"""Compiled loops of k-means over pairs of points and centers, for few centers and on a CPU."""

import numpy as np

from proxy_core.metrics.compiled import Array, compiled

int32, float32, float64 = np.int32, np.float32, np.float64


@compiled
def six_products(x: Array, rows: Array) -> tuple[np.float32, ...]:
    """Products in float32 of a row (D,) with six others (6, D), for which it is read once."""
    a, b, c, d, e, f = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]
    with_a = with_b = with_c = with_d = with_e = with_f = float32(0.0)
    for k in range(x.size):
        with_a += x[k] * a[k]
        with_b += x[k] * b[k]
        with_c += x[k] * c[k]
        with_d += x[k] * d[k]
        with_e += x[k] * e[k]
        with_f += x[k] * f[k]
    return with_a, with_b, with_c, with_d, with_e, with_f


@compiled
def product(x: Array, y: Array) -> np.float32:
    """Product in float32 of two rows (D,)."""
    total = float32(0.0)
    for k in range(x.size):
        total += x[k] * y[k]
    return total


@compiled
def exact_product(x: Array, y: Array) -> float:
    """Product in float64 of two rows (D,)."""
    total = 0.0
    for k in range(x.size):
        total += float64(x[k]) * float64(y[k])
    return total


@compiled
def squared_distance(x: Array, y: Array) -> float:
    """Squared distance in float64 of two rows (D,)."""
    total = 0.0
    for k in range(x.size):
        total += (float64(x[k]) - float64(y[k])) ** 2
    return total


@compiled
def take_best(
    points: Array, lengths: Array, drawn: Array, distances: Array, slack: np.float32
) -> int:
    """Which of the candidates `drawn` (L,) lowers the sum of the distances (N,) most, the first of
    equally good ones; also lowers them. Squared lengths (N,).

    Sums are of float32; only where that leaves in doubt whether the candidate is nearer, by the
    slack, are distances taken in float64.
    """
    nearer = how_much_nearer(points, lengths, drawn, distances)
    gains = np.zeros(drawn.size)
    for i in range(len(points)):
        for j in range(drawn.size):
            gains[j] += max(nearer[i, j], float32(0.0))
    best = gains.argmax()
    center = points[drawn[best]].astype(float64)
    for i in range(len(points)):
        if nearer[i, best] > -slack:
            distances[i] = min(distances[i], squared_distance(points[i], center))
    return int(best)


@compiled
def how_much_nearer(points: Array, lengths: Array, drawn: Array, distances: Array) -> Array:
    """Distances (N,) minus those from the rows `drawn` (L,), in float32 (N, L rounded up to sixes).

    Points at distance 0 are never nearer.
    """
    rows = np.full(drawn.size + -drawn.size % 6, drawn[0])
    rows[: drawn.size] = drawn
    nearer = np.empty((len(points), rows.size), float32)
    for start in range(0, rows.size, 6):
        six = rows[start : start + 6]
        centers = points[six]
        for i in range(len(points)):
            left = float32(distances[i]) - lengths[i] if distances[i] > 0 else float32(-np.inf)
            some = six_products(points[i], centers)
            for m in range(6):
                nearer[i, start + m] = left + (float32(2.0) * some[m] - lengths[six[m]])
    return nearer


@compiled
def own_values(
    points: Array, centers: Array, halves: Array, of_point: Array, moved: Array, values: Array
) -> None:
    """Renew values (N,) of the points whose own center moved: halves (k,) less products."""
    for i in range(len(points)):
        own = of_point[i]
        if moved[own]:
            values[i] = halves[own] - exact_product(points[i], centers[own])


@compiled
def loosen(
    margin: np.float32, least: Array, lengths: Array, shifts: Array, steps: Array, values: Array
) -> int:
    """Add shifts (k,) to bounds (N, k) and take off each point's length (N,) times steps (k,); how
    many then are not above the value (N,) of their point."""
    total = 0
    for i in range(least.shape[0]):
        row, length = least[i], lengths[i]
        for j in range(row.size):
            row[j] += shifts[j] - length * steps[j]
        total += int(not_above(row, float32(values[i]) + margin))
    return total


@compiled
def not_above(row: Array, limit: np.float32) -> np.int32:
    """How many of a row (k,) are not above the limit."""
    total = int32(0)
    for j in range(row.size):  # branches or a wider counter would keep it from being vectorised
        total += int32(row[j] <= limit)
    return total


@compiled
def settle(
    margin: np.float32,
    tie: float,
    points: Array,
    centers: Array,
    halves: Array,
    rounded: Array,
    floors: Array,
    least: Array,
    of_point: Array,
    values: Array,
) -> None:
    """Bring of_point (N,) and values (N,) up to date: the first of the nearest centers.

    Centers (k, D) and halves (k,) of their squared lengths in float64; for bounds in float32,
    centers rounded (k, D), and floors (k,), halves less what float32 may lose.
    """
    found, exact = np.empty(len(centers), np.int64), np.empty(len(centers))
    for i in range(len(points)):
        x, row, limit = points[i], least[i], float32(values[i]) + margin
        if not_above(row, limit) <= 1:  # its own, and none where points are not finite
            continue
        size = 0
        for j in range(row.size):
            if row[j] <= limit:
                found[size] = j
                size += 1
        for m in range(size):
            j = found[m]
            row[j] = floors[j] - product(x, rounded[j])
            exact[m] = np.inf
            if row[j] <= limit:
                exact[m] = halves[j] - exact_product(x, centers[j])
        m = first_within(exact, size, tie)
        of_point[i], values[i] = found[m], exact[m]


@compiled
def first_within(values: Array, size: int, tie: float) -> int:
    """The first of the values (size,) within `tie` of the least."""
    least, first = values[0], 0
    for m in range(1, size):
        least = min(least, values[m])
    while values[first] > least + tie:
        first += 1
    return first
