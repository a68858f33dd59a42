"""Compiled loop over pairs of rows."""

import numpy as np

from proxy_core.metrics.compiled import Array, compiled

float64 = np.float64


@compiled
def similarities(
    queries: Array, query_rows: Array, gallery: Array, gallery_rows: Array, euclidean: bool
) -> Array:
    """Products, or minus squared distances, (M,) in float64 of the chosen rows of two tables, pair
    by pair."""
    out = np.empty(query_rows.size)
    for k in range(out.size):
        x, y = queries[query_rows[k]], gallery[gallery_rows[k]]
        total = 0.0
        if euclidean:
            for d in range(x.size):
                apart = float64(x[d]) - float64(y[d])
                total -= apart * apart
        else:
            for d in range(x.size):
                total += float64(x[d]) * float64(y[d])
        out[k] = total
    return out
