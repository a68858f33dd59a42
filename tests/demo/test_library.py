"""What a results folder holds for the browser, and which folders and pictures are refused."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.reporting.groups import group_id
from bench.store.runs import Run, StoredRunError, load_run, save_arrays, save_run
from bench.store.seed_plan import SeedPlan, keep_plan, plan_path
from bench.store.thumbnails import load_thumbnails, save_thumbnails, thumbnails_path
from demo.library import Library, Shelf, one_of_each, open_library
from demo.opened import finished
from demo.page import draw
from demo.pictures import picture_address
from demo.retrieved import neighbors_of, open_run
from demo.serving.routes import find_picture
from demo.tabs.results import run_table
from demo.view import address_of, read_address, read_view
from tests.support.fabricated import (
    FINGERPRINT,
    METHODS,
    make_pictures,
    make_spec,
    owner,
    seal,
    write_pictures,
    write_results,
    write_run,
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return open_library(write_results(tmp_path_factory.mktemp("results")))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """One data set in a folder that the test may change."""
    return open_library(write_results(tmp_path, ("digits",))).shelves[0]


def test_lists_data_sets_and_runs_by_method_and_seed(library: Library) -> None:
    assert list(library.titles.values()) == ["digits (class-disjoint)", "glyphs (class-disjoint)"]
    labels = list(library.shelves[0].run_labels.values())
    assert labels == [f"{method}, seed {seed}" for method in sorted(METHODS) for seed in range(3)]
    assert library.problems == ()
    assert library.fallback is None


def test_runs_of_one_method_with_two_specs_are_told_apart(tmp_path: Path) -> None:
    write_results(tmp_path, ("digits",))
    spec = make_spec("digits", "Proxy-NCA", 0)
    write_run(tmp_path, spec.model_copy(update={"loss_args": {"scale": 12.0}}), gain=0.3)
    labels = set(open_library(tmp_path).shelves[0].run_labels.values())
    assert {"Proxy-NCA (scale 12), seed 0", "Proxy-NCA (scale not set), seed 0"} <= labels


def test_the_address_of_a_run_shows_it_first(library: Library) -> None:
    run = library.shelves[1].runs[4]
    view = read_view(library, read_address(address_of(library, run.name)))
    assert (view.shelf, view.run) == (library.shelves[1].key, run.name)
    assert address_of(library, "") == ""
    with pytest.raises(ValueError, match=f"unknown run '{run.name}x'; did you mean '{run.name}'"):
        address_of(library, f"{run.name}x")


def test_the_first_run_is_of_the_method_with_the_best_mean(tmp_path: Path) -> None:
    """Whatever the one seed scores that is shown."""
    write_pictures(tmp_path, "digits")
    gains = {"Center + softmax": (0.3, 0.3, 0.3), "Triplet, semi-hard": (0.0, 2.0, 2.0)}
    for method, gain_by_seed in gains.items():
        for seed, gain in enumerate(gain_by_seed):
            write_run(tmp_path, make_spec("digits", method, seed), gain=gain)
    library = open_library(tmp_path)
    shelf = library.shelves[0]
    other, best = shelf.runs[0], shelf.runs[3]
    assert other.scores["recall@1"] > best.scores["recall@1"]
    assert one_of_each(shelf) == [best, other]
    assert shelf.first is shelf.run("") is best
    assert f'value="{best.name}" selected' in draw(library, {})


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ({"ds": "x<b>-12"}, "The data set x&lt;b&gt;-12 of this address is not in these results"),
        ({"run": "gone-s0"}, "The run gone-s0 of this address is not in these results; this is "),
        ({"other": "y" * 500}, f"The run {'y' * 100} of this address is not in these results, so"),
        ({"run": ["a"]}, "The run [&#39;a&#39;] of this address is not in these results"),
        ({"q": "48"}, "There is no query 48: the 48 are numbered from 0; this is 47."),
    ],
)
def test_what_an_address_names_in_vain_is_said(
    library: Library, address: dict[str, object], words: str
) -> None:
    page = draw(library, {"tab": "compare", **address})
    assert f'<p class="notice">{words}' in page
    assert "of this address" not in draw(library, {"run": library.shelves[0].runs[1].name})


def test_a_missing_pictures_file_is_named_and_the_tables_still_open(
    shelf: Shelf, tmp_path: Path
) -> None:
    thumbnails_path(tmp_path, "digits", FINGERPRINT).unlink()
    page = draw(open_library(tmp_path), {"tab": "explore"})
    assert "digits-ffffffffffff.npz is missing" in page
    assert "run the suite again" in page
    assert 'class="hit' not in page
    assert "Proxy-NCA" in draw(open_library(tmp_path), {"tab": "results"})


@pytest.mark.parametrize("change", ["fewer", "shuffled"])
def test_pictures_of_other_images_are_refused(shelf: Shelf, tmp_path: Path, change: str) -> None:
    path = thumbnails_path(tmp_path, "digits", FINGERPRINT)
    pictures, order = load_thumbnails(path), np.random.default_rng(1).permutation(48)
    keep = order if change == "shuffled" else slice(0, 40)
    files = {"images": pictures.files["images"][keep]}
    items = tuple(np.array(pictures.items)[keep])
    changed = replace(pictures, files=files, labels=pictures.labels[keep], items=items)
    save_thumbnails(path, changed)
    with pytest.raises(StoredRunError, match=r"are not those it retrieved from \((48|first)"):
        open_run(shelf, "")


EDITS: dict[str, dict[str, Any]] = {
    "a class has another name": {"class_names": ("heron", *make_pictures().class_names[1:])},
    "two classes have swapped names": {"class_names": make_pictures().class_names[::-1]},
    "an image has another name": {"items": ("other.png", *make_pictures().items[1:])},
    "two images have swapped names": {"items": make_pictures().items[::-1]},
    "one name for two classes": {"class_names": make_pictures().class_names[:1] * 6},
    "labels in another order": {"labels": 5 - make_pictures().labels},
    "other data": {"source": "d" * 64},
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_edited_names_beside_pictures_are_refused(
    shelf: Shelf, tmp_path: Path, edit: dict[str, Any]
) -> None:
    path = thumbnails_path(tmp_path, "digits", FINGERPRINT)
    save_thumbnails(path, replace(load_thumbnails(path), **edit))
    refused = r"not those it retrieved from \((names or classes of images were changed|they were)"
    with pytest.raises(StoredRunError, match=refused):
        open_run(shelf, "")
    page = draw(open_library(tmp_path), {"ds": shelf.key, "tab": "explore"})
    assert "delete the pictures file and the run" in page


def test_runs_stored_before_names_had_a_digest_can_be_read(tmp_path: Path) -> None:
    write_results(tmp_path, ("digits",))
    for run in open_library(tmp_path).shelves[0].runs:
        save_run(run.files, {key: run.record[key] for key in run.record if key != "picture_names"})
    library = open_library(tmp_path)
    assert library.problems == ()
    assert len(open_run(library.shelves[0], "").pictures) == 48


def test_positions_beyond_a_small_gallery_are_no_hits_and_not_shown(shelf: Shelf) -> None:
    run = shelf.runs[0]
    stored = dict(run.queries)
    stored["neighbors"][:, 5:] = -1
    stored["first_hit"][stored["first_hit"] > 5] = 0
    save_arrays(run.files.queries, stored, owner(run.directory))
    seal(run.directory)
    opened = open_run(replace(shelf, runs=(load_run(run.files),)), run.name)
    assert not opened.hits[:, 5:].any()
    assert [neighbor.rank for neighbor in neighbors_of(opened, 3, 20)] == [1, 2, 3, 4, 5]


def leave_out_neighbors(run: Run) -> None:
    run.files.queries.unlink()
    save_run(run.files, run.record)


def test_runs_without_their_neighbors_are_counted_but_not_browsed(shelf: Shelf) -> None:
    first, *others = shelf.runs
    leave_out_neighbors(first)
    library = open_library(shelf.results)
    opened = library.shelves[0]
    assert library.problems == ()
    assert [run.name for run in opened.browsable] == [run.name for run in others]
    assert open_run(opened, first.name).run.name == others[0].name
    assert len(opened.run_labels) == len(opened.runs) == 9
    page = draw(library, {"ds": shelf.key, "run": first.name})
    assert f"{shelf.run_labels[first.name]} did not keep its neighbors" in page
    why = "8 of 9 runs can be browsed: the others did not keep the neighbors of their queries"
    assert why in draw(library, {"tab": "start"})
    assert why in run_table(opened).note


def test_no_neighbors_at_all_name_the_missing_file(shelf: Shelf) -> None:
    for run in shelf.runs:
        leave_out_neighbors(run)
    with pytest.raises(StoredRunError, match=r"queries\.safetensors was not kept"):
        open_run(open_library(shelf.results).shelves[0], "")


def test_reference_results_stand_in_and_say_so(tmp_path: Path) -> None:
    write_results(tmp_path / "reference", ("digits",))
    library = open_library(tmp_path)
    assert library.results == tmp_path / "reference"
    assert library.fallback == tmp_path


def test_nothing_to_show_names_the_folder_and_the_command(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no finished run in .*runs; `proxy-bench run`"):
        open_library(tmp_path)


def test_a_run_that_cannot_be_looked_at_does_not_close_the_browser(tmp_path: Path) -> None:
    write_results(tmp_path, ("digits",))
    before = finished(tmp_path)
    closed = tmp_path / "runs" / "closed"
    closed.mkdir()
    (closed / "run.json").symlink_to("run.json")
    assert len(open_library(tmp_path).problems) == 1
    assert finished(tmp_path) == before


def test_another_run_is_seen_also_at_the_time_of_the_one_before(tmp_path: Path) -> None:
    write_results(tmp_path, ("digits",))
    before = finished(tmp_path)
    record = next(iter(before)) / "run.json"
    seen, content = record.stat(), record.read_bytes()
    record.rename(record.with_suffix(".before"))
    record.write_bytes(content)
    os.utime(record, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert finished(tmp_path) != before
    record.with_suffix(".before").rename(record)
    assert finished(tmp_path) == before
    record.write_bytes(content + b"\n")
    os.utime(record, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert finished(tmp_path) != before


def test_an_unreadable_run_is_left_out_and_named(shelf: Shelf, tmp_path: Path) -> None:
    broken = shelf.runs[0].directory / "run.json"
    broken.write_text("{")
    library = open_library(tmp_path)
    assert len(library.shelves[0].runs) == 8
    assert str(broken) in library.problems[0]


def test_pictures_are_found_by_their_numbers_alone(library: Library) -> None:
    shelf = library.shelves[1]
    address = picture_address(shelf, 7)
    _, number, digest, position = address.split("/")
    right = {"shelf": number, "digest": digest, "position": position}
    assert find_picture(library, right) == shelf.pictures.encoded(7)
    for name in right:
        for forged in ("-1", "48", "999999", "a", "..", "٧", "9" * 5000, ""):
            assert find_picture(library, right | {name: forged}) is None


def test_data_sets_with_one_slug_are_different_shelves(tmp_path: Path) -> None:
    for name in ("folder:鳥", "folder:花", "folder:Birds", "folder:birds"):
        write_pictures(tmp_path, name)
        spec = make_spec("digits", "Proxy-NCA", 0).model_copy(update={"dataset": name})
        write_run(tmp_path, spec, gain=0.2)
    library = open_library(tmp_path)
    assert len(library.titles) == 4
    for shelf in library.shelves:
        assert library.shelf(shelf.key) is shelf
        assert shelf.dataset in draw(library, {"ds": shelf.key, "tab": "results"})
    assert len(list((tmp_path / "pictures").iterdir())) == 4


def studied(results: Path, *sources: str) -> None:
    """Runs of a study of variance beside three methods."""
    write_results(results, ("digits",))
    for source in sources:
        for seed in range(2):
            spec = make_spec("digits", "Proxy-NCA", seed)
            write_run(results, spec.model_copy(update={"varies": source}), gain=3.0)


def test_the_parts_of_a_study_of_variance_are_no_methods(tmp_path: Path) -> None:
    studied(tmp_path, "weights", "batches")
    library = open_library(tmp_path)
    methods = {run.spec["method"] for run in one_of_each(library.shelves[0])}
    assert methods == {"Proxy-NCA", "Triplet, semi-hard", "Center + softmax"}
    assert len(one_of_each(library.shelves[0])) == 3
    page = draw(library, {"tab": "start"})
    assert "3 methods, 13 runs." in page
    assert "Every loss gets it" in page


def test_words_say_of_how_many_losses_where_not_all_are_compared(tmp_path: Path) -> None:
    write_pictures(tmp_path, "digits")
    for number in range(8):
        spec = make_spec("digits", "Proxy-NCA", 0)
        write_run(
            tmp_path,
            spec.model_copy(update={"method": f"M{number}", "learning_rate": 0.1 + number}),
            gain=0.2 * number,
        )
    page = draw(open_library(tmp_path), {"tab": "start"})
    assert "8 methods" in page
    assert "Every loss" not in page
    assert re.search("6 losses that are compared gets? it", page)


def test_a_plan_that_comes_while_the_page_is_open_is_followed(tmp_path: Path) -> None:
    write_results(tmp_path, ("digits",))
    library = open_library(tmp_path)
    ids = tuple(dict.fromkeys(group_id(run) for run in library.shelves[0].runs))
    for tab in ("start", "results"):
        assert "alpha spending" not in draw(library, {"tab": tab})
    before = draw(library, {"tab": "results"})
    plan = SeedPlan(seeds=(0,), most=5, margin=0.005, methods=ids[:2], pairs=1)
    keep_plan(tmp_path, "mine", plan)
    after = draw(library, {"tab": "results"})
    assert "alpha spending" in after
    assert "Suite mine: " in after
    assert "Other runs: " in after  # of the third method
    assert "There is no verdict between methods of a suite whose seeds were added" in after
    run = next(run for run in library.shelves[0].runs if group_id(run) == ids[0])
    shutil.rmtree(
        next(
            r.directory
            for r in library.shelves[0].runs
            if group_id(r) == ids[0] and r.spec["seed"] == 1
        )
    )
    page = draw(open_library(tmp_path), {"tab": "start"})
    assert f"{run.spec['method']} lacks a run with seed 1 although later seeds are there" in page
    plan_path(tmp_path, "mine").unlink()
    assert "Suite mine" not in before + draw(library, {"tab": "results"})
