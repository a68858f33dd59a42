"""What the tabs find in stored runs, compared with plain counts over the same arrays."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from bench.store.runs import Run, RunDir, load_run, save_run
from demo.failures import Confusion, confusions, ordered, same_pictures
from demo.library import Library, Shelf, one_of_each, open_library
from demo.missed import CLOSE, missed
from demo.opened import Opened
from demo.outcomes import flips, seeds_of, sets_of, shared, telling
from demo.page import draw
from demo.retrieved import Retrieved, neighbors_of, open_run
from demo.tabs.explore import csv_text, data_address
from tests.support.fabricated import (
    NEIGHBORS,
    PER_CLASS,
    make_spec,
    seal,
    write_pictures,
    write_results,
    write_run,
)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return open_library(write_results(tmp_path_factory.mktemp("results"), ("digits",))).shelves[0]


@pytest.fixture(scope="module")
def opened(shelf: Shelf) -> list[Retrieved]:
    """A run of each method."""
    return [open_run(shelf, run.name) for run in one_of_each(shelf)]


class WithEmbeddings:
    """A stand-in for a run whose embeddings are these."""

    def __init__(self, retrieved: Retrieved, embeddings: np.ndarray) -> None:
        run = retrieved.run
        self.record, self.scores, self.files, self.digests = (
            run.record,
            run.scores,
            run.files,
            run.digests,
        )
        self.by_cameras = run.by_cameras
        self.keeps_embeddings, self.embeddings_on_disk = True, embeddings


def test_ranks_of_what_was_missed_are_those_of_the_whole_order(opened: list[Retrieved]) -> None:
    for retrieved in opened:
        vectors = retrieved.run.embeddings["embeddings"].astype(np.float64)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        labels = retrieved.pictures.labels
        for query in range(len(labels)):
            cosines = unit @ unit[query]
            order = [p for p in np.argsort(-cosines, kind="stable").tolist() if p != query]
            positives = [
                (order.index(p) + 1, p)
                for p in np.flatnonzero(labels == labels[query]).tolist()
                if p != query
            ]
            found = missed(retrieved, query, 0)
            assert [(m.rank, m.position) for m in found] == sorted(positives)
            assert found[0].rank == retrieved.queries["first_hit"][query]
            beyond = [m for m in found if (m.rank or 0) > 5]
            assert missed(retrieved, query, 5) == beyond


def test_equal_and_nearly_equal_cosines_are_ordered_as_in_the_store(
    opened: list[Retrieved],
) -> None:
    """A miss as similar as a hit comes first, equal hits by position, and doubles decide."""
    angles = np.full(48, 1.0)
    angles[0], angles[[1, 2, 8]] = 0.0, 0.5
    angles[3], angles[9] = 0.5 - CLOSE / 10, 0.5 - CLOSE / 20  # a hit, then a miss
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    made = replace(opened[0], run=WithEmbeddings(opened[0], vectors))  # type: ignore[arg-type]
    ranks = {item.position: item.rank for item in missed(made, 0, 0)}
    assert (ranks[3], ranks[1], ranks[2]) == (1, 4, 5)  # 9 and 8 are between


def test_without_embeddings_only_saved_ranks_are_known(shelf: Shelf) -> None:
    run = shelf.runs[1]
    run.files.embeddings.unlink()
    save_run(run.files, run.record)
    kept = replace(shelf, runs=(load_run(run.files),))
    retrieved = open_run(kept, run.name)
    for query in range(48):
        found = missed(retrieved, query, 3)
        saved = np.flatnonzero(retrieved.hits[query]) + 1
        assert [m.rank for m in found if m.rank] == saved[saved > 3].tolist()
        unknown = [m for m in found if m.rank is None]
        assert len(unknown) == PER_CLASS - 1 - len(saved)
        assert not {m.position for m in unknown} & set(retrieved.queries["neighbors"][query])
    page = draw(Library(shelf.results, (kept,), (), None), {"tab": "explore", "q": "3"})
    assert f"ranks beyond {NEIGHBORS} are not known" in page


def test_every_query_is_in_one_set_of_outcomes(opened: list[Retrieved]) -> None:
    left, right = opened[:2]
    sets = sets_of(left, right)
    both = {(True, True): "both", (True, False): "a", (False, True): "b", (False, False): "none"}
    for query in range(48):
        right_ones = tuple(bool(run.queries["first_hit"][query] == 1) for run in (left, right))
        names = {name for name, members in sets.items() if query in members}
        assert names == {"all", both[right_ones]}  # type: ignore[index]
    gaps = left.queries["average_precision"] - right.queries["average_precision"]
    assert (np.diff(gaps[sets["a"]]) <= 0).all()


def test_shares_and_flips_are_plain_counts(shelf: Shelf, opened: list[Retrieved]) -> None:
    left, right = opened[:2]
    common = [
        len(set(a) & set(b))
        for a, b in zip(
            left.queries["neighbors"][:, :7].tolist(),
            right.queries["neighbors"][:, :7].tolist(),
            strict=True,
        )
    ]
    assert shared(left, right, 7) == pytest.approx(sum(common) / (7 * 48))
    assert shared(left, left, 7) == 1
    names = seeds_of(shelf, left.run)
    assert len(names) == 3
    first = np.array([open_run(shelf, name).queries["first_hit"] == 1 for name in names])
    assert flips(shelf, names) == np.mean([len(set(column)) == 2 for column in first.T.tolist()])
    assert flips(shelf, names[:1]) == 0


def test_seeds_on_other_images_are_not_compared(shelf: Shelf, opened: list[Retrieved]) -> None:
    run, *others = (shelf.run(name) for name in seeds_of(shelf, opened[0].run))
    moved = Run(run.directory, {**run.record, "data_checksum": "d" * 64})
    mixed = replace(shelf, runs=(moved, *others))
    assert seeds_of(mixed, moved) == (run.name,)
    assert run.name not in seeds_of(mixed, others[0])


def test_two_names_of_one_specification_with_a_common_seed_are_two_methods(tmp_path: Path) -> None:
    """As tables and verdicts have it."""
    for method, seeds in (("Old name", (1, 2)), ("New name", (2, 3, 4))):
        for seed in seeds:
            spec = make_spec("digits", "Proxy-NCA", seed)
            write_run(tmp_path, spec.model_copy(update={"method": method}), gain=0.1)
    shelf = open_library(tmp_path).shelves[0]
    assert [len(runs) for runs in shelf.methods.values()] == [3, 2]
    assert shelf.losses == 2
    own = {run.spec["method"]: seeds_of(shelf, run) for run in one_of_each(shelf)}
    assert {method: len(names) for method, names in own.items()} == {"New name": 3, "Old name": 2}


def test_telling_queries_are_what_they_are_called(opened: list[Retrieved]) -> None:
    for runs in (opened, opened[:2]):
        for kind, query in telling(runs).items():
            outcomes = [bool(run.queries["first_hit"][query] == 1) for run in runs]
            expected = {"every": [True] * len(runs), "none": [False] * len(runs)}
            expected["first"] = [True, *[False] * (len(runs) - 1)]
            expected["second"] = [False, True, *[False] * (len(runs) - 2)]
            assert outcomes == expected[kind]


def test_confused_pairs_count_every_failure_once(opened: list[Retrieved]) -> None:
    retrieved, others = opened[0], opened[1:]
    found = confusions(retrieved, others)
    assert sum(pair.count for pair in found) == len(retrieved.failures)
    assert len({frozenset((pair.label, pair.rival)) for pair in found}) == len(found)
    labels, nearest = retrieved.pictures.labels, retrieved.queries["neighbors"][:, 0]
    pair = found[0]
    there = [q for q in range(48) if (labels[q], labels[nearest[q]]) == (pair.label, pair.rival)]
    assert len(there) == pair.there >= pair.back
    hard = [q for q in there if all(run.queries["first_hit"][q] != 1 for run in others)]
    assert len(hard) <= pair.everywhere <= pair.count


@pytest.mark.parametrize(
    ("everywhere", "same", "compared", "expected"),
    [
        (4, 2, True, "labels"),
        (2, 1, True, "images"),
        (1, 1, True, "this run"),
        (4, 1, False, "unknown"),
        (0, 4, False, "labels"),
    ],
)
def test_a_pair_points_to_what_half_of_its_failures_have(
    everywhere: int, same: int, compared: bool, expected: str
) -> None:
    pair = Confusion(0, 1, there=3, back=1, everywhere=everywhere, same=same)
    assert pair.points_to(compared) == expected


def test_another_seed_of_a_loss_is_not_another_loss(shelf: Shelf, opened: list[Retrieved]) -> None:
    seeds = seeds_of(shelf, opened[0].run)
    alone = Library(shelf.results, (replace(shelf, chosen=seeds),), (), None)
    for run in seeds:
        assert "no other loss is stored" in draw(alone, {"tab": "failures", "run": run})


def test_failures_are_in_their_order_and_copies_apart(opened: list[Retrieved]) -> None:
    retrieved = opened[0]
    query = int(retrieved.failures[0])
    nearest = int(retrieved.queries["neighbors"][query, 0])
    images = retrieved.pictures.files["images"].copy()
    images[query] = np.clip(images[nearest].astype(int) + 3, 0, 255)
    pictures = replace(retrieved.pictures, files={"images": images})
    made = replace(retrieved, pictures=pictures)
    assert same_pictures(retrieved).tolist() == []
    assert query in same_pictures(made)
    for sort, key in (
        ("confident", -made.queries["similarities"][:, 0].astype(float)),
        ("deep", -made.queries["first_hit"]),
        ("low", made.queries["average_precision"]),
    ):
        found = ordered(made, sort)
        assert (np.diff(key[found]) >= 0).all()
        assert (query in found) == (sort == "low")
    assert len(ordered(retrieved, "confident")) == len(retrieved.failures)


def test_the_list_is_exported_as_it_is_shown(opened: list[Retrieved]) -> None:
    pictures = opened[0].pictures
    retrieved = replace(opened[0], pictures=replace(pictures, items=('=cmd, "x"\n',) * 48))
    neighbors = neighbors_of(retrieved, 3, 5)
    text = unquote(data_address(csv_text(retrieved, neighbors)).partition(",")[2])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["position"]) for row in rows] == [item.position for item in neighbors]
    assert [row["same_class"] == "1" for row in rows] == [item.hit for item in neighbors]
    assert {row["item"][:6] for row in rows} == {"'=cmd,"}


def test_filters_and_searches_show_what_they_say(shelf: Shelf) -> None:
    library = Library(shelf.results, (shelf,), (), None)
    page = draw(library, {"tab": "explore", "q": "3", "show": "wrong"})
    assert set(re.findall(r'data-ok="(\d)"', page)) == {"0"}
    table = unquote(re.findall(r'href="data:text/csv;charset=utf-8,([^"]*)"', page)[0])
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["position"] for row in rows] == re.findall(
        r'class="hit wrong" data-id="(\d+)"', page
    )
    page = draw(library, {"tab": "explore", "q": "3", "search": "CLASS <B>4"})
    found = page.split('id="found"')[1].split('id="card"')[0]
    assert re.findall(r'data-id="(\d+)"', found) == [str(4 * PER_CLASS)]


def test_runs_that_finish_while_it_is_open_are_read_with_each_page(tmp_path: Path) -> None:
    results = write_results(tmp_path, ("digits",))
    opened = Opened(results, open_library(results))
    first = opened.library.shelves[0]
    opened.draw({})
    assert opened.library.shelves[0] is first
    write_run(results, make_spec("digits", "Proxy-NCA", 7), gain=0.2)
    assert "Proxy-NCA, seed 7" in opened.draw({})
    read = {id(run) for run in opened.library.shelves[0].runs}
    assert {id(run) for run in first.runs} < read  # only the new one is read
    for run in opened.library.shelves[0].runs:
        run.files.record.unlink()
    page = opened.draw({})
    assert "Proxy-NCA, seed 7" in page  # nothing else to show
    assert f"no finished run is left in {results}: these pages show what was read before" in page


def test_a_method_that_is_renamed_while_it_is_open_is_named_as_in_a_fresh_start(
    tmp_path: Path,
) -> None:
    def add(method: str, seed: int, finished: str) -> None:
        spec = make_spec("digits", "Proxy-NCA", seed).model_copy(update={"method": method})
        path = write_run(tmp_path, spec, gain=0.1)
        environment = load_run(RunDir(path)).record["environment"]
        seal(path, environment={**environment, "finished": finished})

    def names(library: Library) -> list[str]:
        return list(library.shelves[0].run_labels.values())

    write_pictures(tmp_path, "digits")
    add("Alpha", 0, "2030-01-01")
    opened = Opened(tmp_path, open_library(tmp_path))
    add("Beta", 1, "2030-01-02")
    opened.draw({})
    assert names(opened.library) == ["Beta, seed 0", "Beta, seed 1"]
    add("Alpha", 1, "2030-01-03")
    add("Beta", 2, "2030-01-04")
    opened.draw({})
    assert names(opened.library) == names(open_library(tmp_path))
    assert names(opened.library) == [
        f"{n}, seed {s}" for n, s in (("Alpha", 0), ("Alpha", 1), ("Beta", 1), ("Beta", 2))
    ]


def test_what_lies_behind_the_stored_neighbors_is_counted(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where cameras decide which images count, only the stored neighbors are known."""
    monkeypatch.setattr("demo.missed.gallery_of", lambda retrieved: None)
    library = Library(shelf.results, (shelf,), (), None)
    retrieved = open_run(shelf, shelf.runs[0].name)
    seen = set()
    for query in range(len(retrieved.hits)):
        behind = int(retrieved.queries["relevant"][query] - retrieved.hits[query].sum())
        html = draw(library, {"tab": "explore", "run": shelf.runs[0].name, "q": str(query)})
        seen.add(behind > 0)
        assert ("Nothing: no further image" in html) == (not behind)
        assert (f"{behind} of its class, behind the {NEIGHBORS} nearest images" in html) == bool(
            behind
        )
    assert True in seen
