"""What is said of runs that ended early."""

import pandas as pd

from bench.reporting.provenance import early_sentence, perfect_runs


def test_the_page_names_the_runs_that_ended_early() -> None:
    images = {"A": [3200, 1280, 1920], "B": [3200] * 3}
    members = pd.DataFrame(
        [
            {"method": method, "loss": "x", "steps": 100, "batch_size": 32, "cost.images": count}
            | {"run": f"{method}{number}"}
            for method, counts in images.items()
            for number, count in enumerate(counts)
        ]
    )
    text = early_sentence(members, {"A0", "B0"})
    assert "had stopped improving: A (2 of 3 runs, after 40, 60 steps). Such" in text
    assert early_sentence(members[members["method"] == "B"], set()) == ""
    mixed = early_sentence(members, {"A1"})
    assert "had stopped improving, once at 100 %, above which nothing can improve: A (" in mixed
    perfect = early_sentence(members, {"A1", "A2"})
    assert "Ended early, because validation was at 100 % and could not improve: A (2 of" in perfect


def test_runs_are_perfect_once_validation_reached_100_percent() -> None:
    curves = pd.DataFrame({"run": ["a", "a", "b"], "map@r": [1.0, 0.9, 0.99]})
    assert perfect_runs(curves) == {"a"}
    assert perfect_runs(curves[["run"]].head(0)) == set()
