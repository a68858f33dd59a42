"""What a search draws and writes before its first trial."""

import json
from pathlib import Path

import pytest

from bench.spec import Budget
from bench.suites import load_suite
from bench.tuning.search import (
    Data,
    check_continues,
    declare,
    default_specs,
    read_search,
    search_path,
    write_search,
)
from bench.tuning.space import Dimension, space_of, with_values
from tests.support.searches import DATA, SUITE, make_search, write_suite


def test_every_method_has_the_same_number_of_different_trials_beside_its_own_values(
    tmp_path: Path,
) -> None:
    search, specs = make_search(tmp_path, trials=5)
    assert {(m.method, len(m.values), len(m.runs)) for m in search.methods} == {
        ("Proxy-NCA", 5, 6),
        ("Triplet", 5, 6),
    }
    assert len({spec.run_name for spec in specs}) == len(specs) == 12
    assert {spec.seed for spec in specs} == {1000}
    assert {spec.purpose for spec in specs} == {"trial"}
    assert [spec.run_name for spec in specs[::2]] == list(search.methods[0].runs)
    own = load_suite(write_suite(tmp_path)).grid([1000])
    assert [spec.model_copy(update={"purpose": "result"}) for spec in specs[:2]] == list(own)
    assert specs[0].spec_id != own[0].spec_id  # a trial can never be taken for a result


def test_a_trial_depends_on_seed_budget_method_and_its_number_alone(tmp_path: Path) -> None:
    few, _ = make_search(tmp_path, trials=3)
    many, _ = make_search(tmp_path, trials=6)
    other, _ = make_search(tmp_path, trials=3, seed=1001)
    alone = SUITE.replace('[methods."Proxy-NCA"]\nloss = "proxy_nca"\nloss_learning_rate = 0.1', "")
    suite = load_suite(write_suite(tmp_path, alone))
    single, _ = declare(
        suite, seed=1000, trials=3, learns={"triplet": False}, data={"digits": DATA}
    )
    assert [m.values for m in few.methods] == [m.values[:3] for m in many.methods]
    assert single.methods[0].values == few.methods[1].values
    assert few.methods[0].values != other.methods[0].values
    assert few.methods[0].values[0]["learning_rate"] != few.methods[1].values[0]["learning_rate"]


def test_values_lie_within_their_ranges_and_cover_them(tmp_path: Path) -> None:
    search, _ = make_search(tmp_path, trials=256)
    for method in search.methods:
        for dimension in method.space:
            drawn = [values[dimension.name] for values in method.values]
            if dimension.choices:
                assert set(drawn) == set(dimension.choices)
                continue
            assert all(dimension.low <= value <= dimension.high for value in drawn)
            assert {dimension.edge(value) for value in drawn} == {"", "lower", "upper"}


def test_the_space_has_what_a_loss_sets_itself(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path))
    proxy, triplet = default_specs(suite, 7)
    budget = suite.budgets["digits"]
    names = [d.name for d in space_of(proxy, budget, learns=True)]
    assert names == ["learning_rate", "loss_learning_rate", "scale", "samples_per_class"]
    names = [d.name for d in space_of(triplet, budget, learns=False)]
    assert names == ["learning_rate", "margin", "samples_per_class"]
    weights = {"weights": "pretrained", "weights_sha256": "a" * 64}
    own = budget.model_dump(include=set(Budget.model_fields))
    pretrained = Budget.model_validate(own | weights)
    names = [d.name for d in space_of(triplet, pretrained, learns=False)]
    assert names[:2] == ["learning_rate", "head_learning_rate"]
    frozen = pretrained.model_copy(update={"frozen": "backbone"})
    assert "learning_rate" not in [d.name for d in space_of(triplet, frozen, learns=False)]
    random = triplet.model_copy(update={"samples_per_class": "random"})
    assert "samples_per_class" not in [d.name for d in space_of(random, budget, learns=False)]
    changed = with_values(proxy, {"scale": 3.0, "learning_rate": 0.5})
    assert (changed.loss_args["scale"], changed.learning_rate) == (3.0, 0.5)
    assert changed.loss_args["assignment"] == "static"


@pytest.mark.parametrize(
    ("value", "edge"), [(1, "lower"), (1.25, "lower"), (1.3, ""), (78, ""), (80, "upper")]
)
def test_an_edge_is_within_5_percent_of_an_end_on_the_scale_of_the_draw(
    value: float, edge: str
) -> None:
    assert Dimension(name="scale", low=1, high=100, log=True).edge(value) == edge
    assert Dimension(name="scale", low=2, high=70, log=True).edge(0) == "lower"
    assert Dimension(name="scale", low=0, high=100).edge(value) == ("lower" if value < 5 else "")


def test_a_search_is_read_as_it_was_written_and_refused_once_changed(tmp_path: Path) -> None:
    search, _ = make_search(tmp_path)
    assert read_search(tmp_path) is None
    write_search(tmp_path, search)
    assert read_search(tmp_path) == search
    content = json.loads(search_path(tmp_path).read_text())
    content["methods"][0]["values"][0]["scale"] = 2.0
    search_path(tmp_path).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"search.json was changed: it has the digest"):
        read_search(tmp_path)
    search_path(tmp_path).write_text("[]")
    with pytest.raises(ValueError, match="is not a search that can be read"):
        read_search(tmp_path)


def test_a_search_goes_on_with_more_trials_and_is_else_refused(tmp_path: Path) -> None:
    stored, _ = make_search(tmp_path, trials=3)
    more, _ = make_search(tmp_path, trials=4)
    check_continues(stored, more, tmp_path)
    with pytest.raises(ValueError, match="holds 4 trials of each method, and --trials is 3"):
        check_continues(more, stored, tmp_path)
    other, _ = make_search(tmp_path, trials=3, seed=5)
    with pytest.raises(ValueError, match="a search with seed 1000, and this one has seed 5"):
        check_continues(stored, other, tmp_path)
    moved = stored.model_copy(
        update={"data": {"digits": Data(fingerprint=DATA.fingerprint, checksum="d" * 64)}}
    )
    with pytest.raises(ValueError, match=r"digits has images with the checksum cccc.* and dddd"):
        check_continues(stored, moved, tmp_path)
    split = Data(fingerprint="e" * 64, checksum=DATA.checksum)
    with pytest.raises(ValueError, match=r"split with the fingerprint ffff.* and eeee"):
        check_continues(stored, stored.model_copy(update={"data": {"digits": split}}), tmp_path)
    renamed = load_suite(write_suite(tmp_path, SUITE.replace("Triplet", "Other")))
    learns = {"proxy_nca": True, "triplet": False}
    found, _ = declare(renamed, seed=1000, trials=3, learns=learns, data={"digits": DATA})
    with pytest.raises(ValueError, match=r"Triplet on digits with other .* Other on digits"):
        check_continues(stored, found, tmp_path)
