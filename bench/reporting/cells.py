"""Cells of the report's tables: numbers as people read them."""

from collections.abc import Sequence

from bench.reporting.convergence import AXES, Cost, Speed
from bench.reporting.findings import COMPARED, Comparison, points
from bench.reporting.rows import HEADINGS, Row, families
from bench.reporting.stats import PairedDifference
from bench.reporting.tables import best_cells, percent


def score_tables(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Tables of scores of one data set: title, headings and lines."""
    return [
        {
            "title": title,
            "headings": [HEADINGS[key] for key in keys],
            "lines": score_lines(rows, keys),
        }
        for title, keys in families(rows).items()
    ]


def score_lines(rows: Sequence[Row], keys: Sequence[str]) -> list[dict[str, object]]:
    """Cells of a score table; `best` marks the best printed mean of a column."""
    best = best_cells(rows)
    return [
        {
            "method": row.method,
            "trained": row.loss is not None,
            "n": len(row.seeds),
            "cells": [(percent(row.scores.get(key)), (row.method, key) in best) for key in keys],
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
        "shared": [cost_cell(speed.shared[axis]) for axis in AXES],
    }


def cost_cell(cost: Cost) -> str:
    """`49 ± 6`; where not every seed got there, how many did."""
    if cost.mean is None:
        return f"{cost.reached} of {cost.n} seeds" if cost.reached else "not reached"
    digits = decimals(cost.mean.mean)
    half = "" if cost.mean.half is None else f" ± {cost.mean.half:,.{digits}f}"
    return f"{cost.mean.mean:,.{digits}f}{half}"


def decimals(value: float) -> int:
    """Digits after the point for about three in all: `1,569`, `12.4`, `0.59`."""
    return 0 if value >= 100 else 1 if value >= 10 else 2


def pair_line(pair: Comparison) -> dict[str, object]:
    """Cells of the table of paired differences, three for each score."""
    return {
        "pair": f"{pair.first} minus {pair.second}",
        "n": len(pair.differences["recall@1"].seeds),
        "cells": [difference_cells(pair.differences.get(metric)) for metric in COMPARED],
    }


def difference_cells(difference: PairedDifference | None) -> tuple[str, bool, str, str]:
    """Difference in points, whether its interval excludes 0, p of the t and the sign-flip test."""
    if difference is None:
        return "–", False, "–", "–"
    interval = difference.interval
    p_t, p_sign = p_value(difference.p_t), p_value(difference.p_sign)
    return points(interval), interval.excludes_zero(), p_t, p_sign


def p_value(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
