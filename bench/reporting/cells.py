"""Cells of the report's tables: numbers as people read them."""

from collections.abc import Sequence

from bench.reporting.convergence import AXES, Cost, Speed
from bench.reporting.findings import Comparison, count, points
from bench.reporting.rows import HEADINGS, Row
from bench.reporting.tables import SHOWN, best_cells, percent


def score_lines(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Cells of the score table; `best` marks the highest printed mean of a column."""
    best = best_cells(rows)
    return [
        {
            "method": row.method,
            "trained": row.loss is not None,
            "n": len(row.seeds),
            "cells": [(percent(row.scores.get(key)), (row.method, key) in best) for key in SHOWN],
        }
        for row in rows
    ]


def speed_line(speed: Speed) -> dict[str, object]:
    """Cells of the convergence table: costs to 95 % of the own plateau, then to the target."""
    return {
        "method": speed.method,
        "metric": HEADINGS[speed.metric],
        "final": percent(speed.final),
        "target": f"{100 * speed.target:.1f}",
        "own": [cost_cell(speed.own[axis]) for axis in AXES],
        "baseline": [cost_cell(speed.baseline[axis]) for axis in AXES],
    }


def cost_cell(cost: Cost) -> str:
    """`49 ± 6`; where not every seed got there, how many did."""
    if cost.mean is None:
        return f"by {cost.reached} of {count(cost.n, 'seed')}" if cost.reached else "not reached"
    half = "" if cost.mean.half is None else f" ± {number(cost.mean.half)}"
    return number(cost.mean.mean) + half


def number(value: float) -> str:
    """A cost with about three digits: `1,569`, `12.4`, `0.59`."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def pair_line(pair: Comparison) -> dict[str, str]:
    """Cells of the table of paired differences."""
    line = {"pair": f"{pair.first} − {pair.second}", "metric": HEADINGS[pair.metric]}
    line["difference"] = points(pair.difference)
    if pair.difference is None:
        return line | {"n": "0", "zero": "–", "p_t": "–", "p_sign": "–"}
    interval = pair.difference.interval
    return line | {
        "n": str(interval.n),
        "zero": "–" if interval.n == 1 else "excluded" if interval.excludes_zero() else "inside",
        "p_t": p_value(pair.difference.p_t),
        "p_sign": p_value(pair.difference.p_sign),
    }


def p_value(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
