"""The browser's view of stored runs, and that forged input cannot break it."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from demo.library import Library, open_library
from demo.page import draw
from demo.retrieved import Retrieved, neighbors_of, open_run, outcome
from demo.serving.guard import GRADIOS
from demo.tabs.explore import step_to, steps
from demo.view import (
    CHOICES,
    KEYS,
    LEAST,
    TABS,
    View,
    fit,
    names,
    read_address,
    read_view,
    to_int,
    write_address,
)
from tests.support.fabricated import NEIGHBORS, PER_CLASS, write_results

FORGED: list[object] = ["", "abc", "-1", "1e9", "9" * 5000, "٣", None, [], {}, 1.5, float("nan")]
FORGED += ["0x10", " 3"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return open_library(write_results(tmp_path_factory.mktemp("results")))


@pytest.fixture(scope="module")
def retrieved(library: Library) -> Retrieved:
    return open_run(library.shelves[0], library.shelves[0].runs[0].name)


def test_marks_are_what_labels_say_for_every_query_of_every_run(library: Library) -> None:
    for shelf in library.shelves:
        for run in shelf.runs:
            opened = open_run(shelf, run.name)
            labels = load_file(run.directory / "embeddings.safetensors")["labels"]
            for query in range(len(labels)):
                found = neighbors_of(opened, query, NEIGHBORS)
                stored = run.queries["neighbors"][query].tolist()
                assert [neighbor.position for neighbor in found] == stored
                assert [neighbor.rank for neighbor in found] == list(range(1, NEIGHBORS + 1))
                for neighbor in found:
                    assert neighbor.hit == (labels[neighbor.position] == labels[query])
                    assert neighbor.class_name == f"class <b>{labels[neighbor.position]}</b> & é"


def test_outcomes_add_up_to_the_stored_scores(library: Library) -> None:
    for run in library.shelves[1].runs:
        opened = open_run(library.shelves[1], run.name)
        outcomes = [outcome(opened, query) for query in range(len(opened.hits))]
        first = np.mean([found["first_hit"] == 1 for found in outcomes])
        assert first == pytest.approx(run.scores["recall@1"])
        mean = np.mean([found["average_precision"] for found in outcomes])
        assert mean == pytest.approx(run.scores["map@r"], abs=1e-6)
        assert {found["relevant"] for found in outcomes} == {PER_CLASS - 1}
        failed = [found["query"] for found in outcomes if found["first_hit"] != 1]
        assert opened.failures.tolist() == failed


def test_random_steps_reach_all_others_and_never_stay(retrieved: Retrieved) -> None:
    start, all_queries = int(retrieved.failures[0]), range(len(retrieved.hits))
    for step, reachable in (("random", all_queries), ("failure", retrieved.failures.tolist())):
        generators = [np.random.default_rng(3) for _ in range(2)]
        draws = [[step_to(retrieved, start, step, g) for _ in range(2000)] for g in generators]
        assert set(draws[0]) == set(reachable) - {start}
        assert draws[0] == draws[1]  # the generator decides


def test_without_another_failure_its_way_leads_nowhere(retrieved: Retrieved) -> None:
    first = np.ones_like(retrieved.queries["first_hit"])
    perfect = replace(retrieved, queries={**retrieved.queries, "first_hit": first})
    found = steps(perfect, View("explore", "digits", "run"), np.random.default_rng(0))
    assert [bool(address) for *_, address in found] == [True, True, True, False]


@pytest.mark.parametrize(
    ("query", "step", "after"), [(0, "previous", 47), (47, "next", 0), (4, "next", 5)]
)
def test_previous_and_next_wrap_around(
    retrieved: Retrieved, query: int, step: str, after: int
) -> None:
    assert step_to(retrieved, query, step, np.random.default_rng(0)) == after


@pytest.mark.parametrize("name", [KEYS.get(name, name) for name in names()])
def test_forged_parameters_fall_back(library: Library, name: str) -> None:
    default = read_view(library, {})
    for forged in FORGED:
        view = read_view(library, {name: forged})
        assert (view.shelf, view.run) == (default.shelf, library.shelves[0].runs[0].name)
        assert view.tab in TABS
        assert all(getattr(view, field) in allowed for field, allowed in CHOICES.items())
        assert all(getattr(view, field) >= least for field, least in LEAST.items())
        assert read_view(library, read_address(write_address(view))) == view
        assert 'class="problem"' not in draw(library, {"tab": "explore", name: forged})


def test_numbers_out_of_range_are_moved_into_it() -> None:
    view = View("explore", "digits", "run", 999, 999)
    assert fit(view, 48, NEIGHBORS) == replace(view, query=47, neighbors=NEIGHBORS)
    assert fit(view, 0, 0) == replace(view, query=0, neighbors=1)


def test_whole_numbers_are_read_and_nothing_else() -> None:
    assert [to_int(value) for value in (7, 7.0, "7", "-7", "007")] == [7, 7, 7, -7, 7]
    assert all(to_int(value) is None for value in FORGED if value != "-1")


def test_no_part_of_an_address_is_one_that_gradio_takes() -> None:
    assert not {KEYS.get(name, name).encode() for name in names()} & set(GRADIOS)


def test_an_address_gives_back_its_view(library: Library) -> None:
    shelf = library.shelves[1]
    view = View("results", shelf.key, shelf.runs[4].name, 7, 5, shelf.runs[2].name, "wrong", "b")
    view = replace(view, search="é & <b>", label=3, rival=2, page=4)
    assert read_view(library, read_address(write_address(view))) == view


@pytest.mark.parametrize(
    ("address", "tab"),
    [
        ("", "start"),
        ("?ds=x", "start"),
        ("?run=x", "explore"),
        ("?tab=browse", "explore"),
        ("?tab=curves", "results"),
        ("?tab=x&q=3", "explore"),
    ],
)
def test_addresses_without_a_tab_and_earlier_ones_open_one(
    library: Library, address: str, tab: str
) -> None:
    assert read_view(library, read_address(address)).tab == tab
