"""The tab Time: neighbors at every kept step as the scores have them, and when what was learnt."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.store.thumbnails import thumbnails_path
from demo.history import (
    NEVER,
    ClassHistory,
    class_histories,
    in_two_classes,
    learnt_at,
    neighbors_at,
    open_history,
)
from demo.library import Library, open_library
from demo.page import draw
from demo.serving.routes import find_picture, find_points
from demo.tabs import time
from demo.tabs.time import sentence, summary
from tests.support.fabricated import (
    FINGERPRINT,
    end_early,
    make_spec,
    seal,
    write_pictures,
    write_run,
)
from tests.support.histories import CLASSES, PER_CLASS, STEPS, write_history

IMAGES = CLASSES * PER_CLASS


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Two runs with histories, and a third without."""
    results = tmp_path_factory.mktemp("results")
    write_pictures(results, "digits")
    for seed in range(3):
        spec = make_spec("digits", "Proxy-NCA", seed)
        write_run(results, spec, gain=0.1)
        if seed < 2:
            write_history(results, spec)
    return open_library(results)


def test_neighbors_have_the_stored_first_hit_at_every_step(library: Library) -> None:
    shelf = library.shelves[0]
    for run in shelf.runs[:2]:
        history = open_history(shelf, run.name)
        for place in range(len(STEPS)):
            for query in range(0, IMAGES, 7):
                found = neighbors_at(history, place, query, IMAGES)
                assert sorted(one.position for one in found) == [
                    position for position in range(IMAGES) if position != query
                ]
                assert neighbors_at(history, place, query, 5) == found[:5]
                first = next(one.rank for one in found if one.hit)
                assert first == history.arrays["first_hit"][place, query]
                assert [one.similarity for one in found] == sorted(
                    (one.similarity for one in found), reverse=True
                )


def test_ties_are_pessimistic_and_cameras_leave_out(library: Library) -> None:
    shelf = library.shelves[0]
    collapsed = np.ones((1, IMAGES, 3), np.float32)
    history = replace(open_history(shelf, shelf.runs[0].name), vectors=collapsed)
    found = neighbors_at(history, 0, 0, IMAGES)
    assert [one.hit for one in found] == [False] * (IMAGES - PER_CLASS) + [True] * (PER_CLASS - 1)
    seen = replace(history, arrays={**history.arrays, "cameras": np.arange(IMAGES) % 2})
    found = neighbors_at(seen, 0, 0, IMAGES)
    assert [one.position for one in found if one.hit] == [1, 3, 5, 7, 9]
    assert neighbors_at(seen, 0, 0, len(found) - 2) == found[:-2]


def test_an_image_is_learnt_where_it_is_right_and_stays_right() -> None:
    first_hit = np.array([[1, 2, 1, 0, 1], [1, 1, 3, 0, 1], [1, 1, 1, 0, 2]])
    found = learnt_at(first_hit, np.array([0, 40, 100]))
    assert found.tolist() == [0, 40, 100, NEVER, NEVER]


def test_classes_are_sorted_by_the_step_from_which_half_of_them_is_right(library: Library) -> None:
    history = open_history(library.shelves[0], library.shelves[0].runs[0].name)
    rows = class_histories(history)
    assert sorted(row.label for row in rows) == [*range(CLASSES)]
    assert [row.learnt for row in rows] == sorted((row.learnt for row in rows), reverse=True)
    assert len({row.learnt for row in rows}) > 2
    for row in rows:
        members = [n for n in range(IMAGES) if history.labels[n] == row.label]
        by = [
            step
            for step in STEPS
            if sum(history.learnt[n] <= step for n in members) >= PER_CLASS / 2
        ]
        assert row.learnt == (by[0] if by else NEVER)
        assert history.learnt[row.slowest] == max(history.learnt[n] for n in members)
        assert row.right[-1] == np.mean([history.arrays["first_hit"][-1][n] == 1 for n in members])


def test_what_no_network_can_learn_is_not_counted_as_not_learnt(library: Library) -> None:
    """Image 0 has nothing to find, 5 equals 12 of another class, and class 1 has nothing else."""
    history = open_history(library.shelves[0], library.shelves[0].runs[0].name)
    assert history.learnable.all()
    images = history.pictures.files["images"].copy()
    images[12] = images[5]
    doubled = in_two_classes(replace(history.pictures, files={"images": images}))
    assert np.flatnonzero(doubled).tolist() == [5, 12]
    findable = ~np.isin(np.arange(IMAGES), [0, *range(10, 12), *range(13, 20)])
    made = replace(history, findable=findable, doubled=doubled)
    rows = {row.label: row for row in class_histories(made)}
    assert sorted(rows) == [0, *range(2, CLASSES)]
    assert rows[0].images == PER_CLASS - 2
    members = [n for n in range(PER_CLASS) if n not in (0, 5)]
    assert rows[0].right[-1] == np.mean([made.arrays["first_hit"][-1][n] == 1 for n in members])
    assert sentence(made, 0) == "no other image has its class, so there is nothing to find"
    assert sentence(made, 5).startswith("an equal picture has another class")
    assert summary(class_histories(made), made)["left_out"] == 12


@pytest.mark.parametrize(
    ("learnt", "expected"),
    [
        ([100, 100, 40, 40], "The last classes to be learnt are <b>0</b> and 1 other:"),
        ([40, 100, 40, NEVER], "The last class to be learnt is <b>1</b>:"),
        ([0, 0, 0, NEVER], "No class was learnt by training:"),
        ([NEVER] * 4, ""),
    ],
)
def test_the_last_class_is_named_with_those_of_its_step(
    learnt: list[int], expected: str, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        ClassHistory(n, str(n), 5, step, [0.5] * len(STEPS), n) for n, step in enumerate(learnt)
    ]
    rows.sort(key=lambda row: -row.learnt)
    monkeypatch.setattr(time, "class_histories", lambda history: rows)
    html = " ".join(draw(library, {"tab": "time"}).split())
    assert expected in html
    assert ("last class" in html.partition('id="learnt"')[2]) == expected.startswith("The last")
    never = sum(step == NEVER for step in learnt)
    verb = "is" if never == 1 else "are"
    assert (f"{never} of 4 classes {verb} not learnt" in html) == bool(never)
    assert ("Every class is learnt" in html) == (not never)


def test_as_many_neighbors_as_chosen_are_shown(library: Library) -> None:
    for count in (3, 20):
        html = draw(library, {"tab": "time", "k": str(count)})
        assert html.count('class="hit ') == count


def test_two_runs_are_shown_at_one_step(library: Library) -> None:
    first, second, _ = library.shelves[0].runs
    html = draw(library, {"tab": "time", "vq": "33", "at": "1", "other": second.name})
    assert html.count('<section class="side"') == html.count('data-step="40" data-first') == 2
    assert "validation &lt;i&gt;3&lt;/i&gt; ${1}" in html
    assert "<i>3" not in html
    for run in (first, second):
        history = open_history(library.shelves[0], run.name)
        assert f'data-first="{history.arrays["first_hit"][1, 33]}"' in html
        assert f"at rank <b>{history.arrays['first_hit'][1, 33]}</b>" in html


def test_the_last_step_of_a_run_that_ended_early_is_its_last(tmp_path: Path) -> None:
    write_pictures(tmp_path, "digits")
    changes = {"steps": 200, "patience": 2}
    spec = make_spec("digits", "Proxy-NCA", 0).model_copy(update=changes)
    end_early(write_run(tmp_path, spec, gain=0.1), STEPS[-1])
    write_history(tmp_path, spec)
    assert "step 100 of 100<" in draw(open_library(tmp_path), {"tab": "time"})


@pytest.mark.parametrize("forged", ["", "-7", "999999999", "abc", "9" * 50])
def test_forged_steps_and_images_are_moved_into_their_range(library: Library, forged: str) -> None:
    assert "validation images" in draw(library, {"tab": "time", "vq": forged, "at": forged})


def test_a_run_without_a_history_says_how_to_keep_one(library: Library) -> None:
    html = draw(library, {"tab": "time", "run": library.shelves[0].runs[2].name})
    assert "seed 2 kept nothing of its training" in html
    assert "keep_embeddings = 6" in html
    assert html.count("vq=") == 0
    assert library.shelves[0].runs[1].name in html


def test_pictures_and_points_are_those_of_the_validation_images(library: Library) -> None:
    shelf = library.shelves[0]
    history = open_history(shelf, shelf.runs[0].name)
    numbers = {"shelf": str(shelf.number), "digest": str(history.picture_digest)}
    found = find_picture(library, {**numbers, "position": "100"})
    assert found == history.pictures.encoded(100)
    assert find_picture(library, {**numbers, "position": "200"}) is None
    source = draw(library, {"tab": "time"}).split('data-source="points/')[1].split('"')[0]
    kind, number, run, digest = source.split("/")
    address = {"kind": kind, "shelf": number, "run": run, "digest": digest}
    points = find_points(library, address)
    assert points is not None
    assert len(points.content) == len(STEPS) * IMAGES * 4 + IMAGES * 4
    for name in address:
        assert find_points(library, {**address, name: "7"}) is None


def test_a_history_whose_pictures_are_of_other_images_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path, "digits")
    write_run(tmp_path, make_spec("digits", "Proxy-NCA", 0), gain=0.1)
    directory = write_history(tmp_path, make_spec("digits", "Proxy-NCA", 0))
    path = next(directory.parents[1].glob("pictures/*-validation.npz"))
    path.unlink()
    assert "-validation.npz cannot be read" in draw(open_library(tmp_path), {"tab": "time"})


def test_only_runs_with_the_same_validation_images_are_beside_each_other(tmp_path: Path) -> None:
    write_pictures(tmp_path, "digits")
    for seed in range(3):
        spec = make_spec("digits", "Proxy-NCA", seed)
        spec = spec.model_copy(update={"varies": "split"} if seed == 2 else {})
        write_run(tmp_path, spec, gain=0.1)
        folder = write_history(tmp_path, spec)
        if seed == 2:
            drawn = "e" * 64
            record = json.loads((folder / "run.json").read_text())
            seal(folder, split=record["split"] | {"drawn": drawn})
            place = thumbnails_path(tmp_path, "digits", FINGERPRINT, "validation")
            shutil.copy(place, thumbnails_path(tmp_path, "digits", drawn, "validation"))
    library = open_library(tmp_path)
    first, second, third = library.shelves[0].runs
    html = draw(library, {"tab": "time", "run": first.name, "other": third.name})
    assert html.count('<section class="side"') == 1
    assert "1 other run validated on other images, so it is not compared here." in html
    beside = html.partition('id="beside"')[2].partition("</select>")[0]
    assert second.name in beside
    assert third.name not in beside
    alone = draw(library, {"tab": "time", "run": third.name})
    assert "2 other runs validated on other images, so they are not compared here." in alone
