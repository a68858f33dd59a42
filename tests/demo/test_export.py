"""An export of the browser: which runs it has, what its data hold, and what it overwrites."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from jinja2 import Environment

from bench.store.thumbnails import Thumbnails, as_jpegs
from demo.__main__ import main
from demo.export import pictures, write
from demo.export.choice import choose
from demo.export.folder import new_export
from demo.export.javascript import FILTERS, module
from demo.export.page import static
from demo.export.write import export
from demo.library import Library, inside, open_library
from demo.missed import missed
from demo.retrieved import open_run
from tests.support.fabricated import METHODS, write_results
from tests.support.processes import temporary_name


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return open_library(write_results(tmp_path_factory.mktemp("results")))


@pytest.fixture(autouse=True)
def _without_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take seconds; `test_export` of the browser has them."""
    monkeypatch.setattr(write, "render_results", lambda shelf: f"results of {len(shelf.runs)}")


def content(folder: Path, path: str) -> Any:
    """What a script of an export holds."""
    text = (folder / path).read_text()
    start = f'arrived["{path}"] = '
    assert text.startswith(start)
    return json.loads(text.removeprefix(start).removesuffix(";\n"))


def index(folder: Path) -> Any:
    line = (folder / "page.js").read_text().split("\n", 1)[0]
    return json.loads(line.removeprefix("const EXPORT = ").removesuffix(";"))


def unpacked(value: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(value["base64"]), f"<{value['kind']}")


def test_one_seed_of_each_method_unless_runs_are_named(library: Library) -> None:
    chosen = choose(library, [])
    assert [len(shelf.browsable) for shelf in chosen.shelves] == [3, 3]
    assert {run.spec["method"] for run in chosen.shelves[0].browsable} == set(METHODS)
    assert [len(shelf.runs) for shelf in chosen.shelves] == [9, 9]
    names = [library.shelves[1].runs[place].name for place in (0, 1, 8)]
    (shelf,) = choose(library, names).shelves
    assert [run.name for run in shelf.browsable] == names
    assert len(shelf.runs) == 6  # all seeds of two methods, nothing of the third
    with pytest.raises(ValueError, match="unknown run 'x'"):
        choose(library, ["x"])


def test_the_data_are_those_of_the_store(library: Library, tmp_path: Path) -> None:
    run = library.shelves[1].runs[4]
    made = export(library, tmp_path / "new", [run.name])
    found = content(tmp_path / "new", "data/0/run-0.js")
    opened = open_run(library.shelves[1], run.name)
    for name in ("neighbors", "similarities", "first_hit", "relevant", "average_precision"):
        assert np.array_equal(unpacked(found[name]), run.queries[name].ravel())
    assert unpacked(found["map"]["places"]).shape == (2 * 48,)
    assert found["map"]["counted"] == "all images"
    lost = missed(opened, 3, 20)
    width = len(unpacked(found["beyond"]["positions"])) // 48
    assert width <= 7  # as many as any query has
    row = slice(3 * width, 3 * width + len(lost))
    assert unpacked(found["beyond"]["count"])[3] == len(lost) > 0
    assert unpacked(found["beyond"]["ranks"])[row].tolist() == [item.rank for item in lost]
    assert unpacked(found["beyond"]["positions"])[row].tolist() == [m.position for m in lost]
    images = content(tmp_path / "new", "data/0/images.js")
    assert unpacked(images["labels"]).tolist() == library.shelves[1].pictures.labels.tolist()
    packs = content(tmp_path / "new", "data/0/pictures-0.js")
    assert base64.b64decode(packs[7]) == library.shelves[1].pictures.encoded(7)[0]
    assert content(tmp_path / "new", "data/0/results.js") == "results of 3"
    assert made.notes == [
        "glyphs (class-disjoint): Runs to browse: 1 of 9; methods: 1 of 3. Runs in tables and "
        "curves: 3.",
        "digits (class-disjoint): left out.",
    ]
    assert made.files == len([p for p in (tmp_path / "new").rglob("*") if p.is_file()])


def test_problems_of_the_folder_are_among_its_notes(library: Library, tmp_path: Path) -> None:
    problem = f"{library.results}/runs/mine/run.json was changed"
    doubtful = replace(library, problems=(problem, "two formulas"))
    notes = export(doubtful, tmp_path / "pages").notes
    assert notes[-2:] == ["Problem: runs/mine/run.json was changed", "Problem: two formulas"]
    assert index(tmp_path / "pages")["notes"] == notes


def test_paths_are_shown_as_they_are_within_their_folder() -> None:
    text = "a/runs/x is missing; see 'a/reference/runs/y', not b/a/runs/z or runs/a/w"
    found = inside(text, Path("a/reference"), Path("a"))
    assert found == "runs/x is missing; see 'runs/y', not b/a/runs/z or runs/a/w"


def test_nothing_in_it_says_where_it_was_made(library: Library, tmp_path: Path) -> None:
    export(library, tmp_path / "new")
    texts = "".join(path.read_text() for path in (tmp_path / "new").rglob("*.*"))
    assert str(library.results) not in texts
    assert index(tmp_path / "new")["shelves"][0]["key"] == library.shelves[0].key


def test_a_second_export_takes_the_place_of_the_first(library: Library, tmp_path: Path) -> None:
    names = [shelf.runs[0].name for shelf in library.shelves]
    export(library, tmp_path / "new", names)
    assert (tmp_path / "new/data/1").is_dir()
    export(library, tmp_path / "new", names[:1])
    assert not (tmp_path / "new/data/1").exists()
    for number in (1, 2):
        made = export(library, tmp_path / "new.zip", names[:number])
    with ZipFile(tmp_path / "new.zip") as file:
        assert "new/index.html" in file.namelist()
        assert "new/data/1/run-0.js" in file.namelist()
    assert made.size == (tmp_path / "new.zip").stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "new.zip"]


@pytest.mark.parametrize(
    "name", ["folder", "link", "file", "file.zip", "other.zip", "locked.zip", "added"]
)
def test_nothing_else_is_overwritten(name: str, library: Library, tmp_path: Path) -> None:
    target = tmp_path / name
    if name == "added":
        export(library, target, [library.shelves[0].runs[0].name])
        (target / "CNAME").write_text("mine")
    elif name == "link":
        (tmp_path / "empty").mkdir()
        target.symlink_to(tmp_path / "empty")
    elif name == "folder":
        (target / "within").mkdir(parents=True)
        (target / "within/notes").write_text("mine")
    elif name == "other.zip":
        with ZipFile(target, "w") as file:
            file.writestr("export.json", "{}")
    elif name == "locked.zip":
        with ZipFile(target, "w") as file:
            file.writestr("export.json", "{}")
        locked = bytearray(target.read_bytes())
        locked[6] |= 1  # the flag that says a password is needed, of the file
        locked[locked.index(b"PK\x01\x02") + 8] |= 1  # and in the list of files
        target.write_bytes(locked)
    else:
        target.write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="name another folder or file"):
        export(library, target)
    assert sorted(tmp_path.rglob("*")) == before


def stop_after(path: Path, kind: type[BaseException]) -> None:
    path.write_text("half")
    raise kind


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("before", [False, True])
def test_an_interrupted_export_leaves_what_was_there(
    kind: type[BaseException], before: bool, tmp_path: Path
) -> None:
    target = tmp_path / "pages" / "new"
    if before:
        with new_export(target) as folder:
            (folder / "index.html").write_text("old")
    with pytest.raises(kind), new_export(target) as folder:
        stop_after(folder / "index.html", kind)
    assert [path.name for path in target.parent.iterdir()] == ["new"] * before
    assert not before or (target / "index.html").read_text() == "old"


def test_what_a_killed_export_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / temporary_name("first") / "new").mkdir(parents=True)
    with new_export(tmp_path / "first") as running, new_export(tmp_path / "second"):
        assert running.is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second"}


def test_an_export_that_was_being_replaced_in_a_kill_is_put_back(tmp_path: Path) -> None:
    target = tmp_path / "new"
    with new_export(target) as folder:
        (folder / "index.html").write_text("old")
    killed = tmp_path / temporary_name("new")
    killed.mkdir()
    target.rename(killed / "before")
    with pytest.raises(OSError, match=r"^$"), new_export(target) as folder:
        stop_after(folder / "index.html", OSError)
    assert (target / "index.html").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_what_came_while_an_export_was_made_stays(tmp_path: Path) -> None:
    target = tmp_path / "new"

    def write() -> None:
        with new_export(target):
            target.mkdir()
            (target / "CNAME").write_text("mine")

    with pytest.raises(ValueError, match="CNAME, which no export has"):
        write()
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "CNAME"]


def test_an_export_that_cannot_take_its_place_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: Path) -> None:
        raise PermissionError

    with new_export(tmp_path / "new") as folder:
        (folder / "index.html").write_text("old")
    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(PermissionError), new_export(tmp_path / "new"):
        pass
    assert (tmp_path / "new/index.html").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_the_command_says_what_it_wrote_and_refuses_in_one_line(
    library: Library,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(*options: str) -> int:
        results = ["--results", str(library.results), *options]
        monkeypatch.setattr("sys.argv", ["demo", "--export", str(tmp_path / "new"), *results])
        return main()

    names = [run.name for run in library.shelves[0].runs[:2]]
    assert run("--run", names[0], "--run", names[1]) == 0
    assert "Runs to browse: 2 of 9" in (printed := capsys.readouterr().out)
    assert re.search(rf"written {re.escape(str(tmp_path / 'new'))}, 0.\d MB in 8 files", printed)
    (tmp_path / "new/mine").write_text("")
    assert run() == 1
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit):
        run("--images", ".")


@pytest.fixture
def photographs() -> Thumbnails:
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (128, 96, 3), dtype=np.uint8) for _ in range(12)]
    return Thumbnails(as_jpegs(images), np.arange(12), ("a",) * 12, ("b",) * 12, "c")


def test_pictures_are_made_smaller_until_they_fit(photographs: Thumbnails) -> None:
    own = pictures.fit(photographs)
    assert (own.height, own.width, own.media) == (128, 96, "image/jpeg")
    assert own.file(3) == photographs.encoded(3)[0]
    small = pictures.fit(photographs, 12 * 2500)
    assert (small.height, small.width) in [(96, 72), (64, 48)]
    assert sum(len(small.file(position)) for position in range(12)) <= 12 * 2500
    assert pictures.fit(photographs, 1).height == 48  # the smallest, even if it does not fit
    counts: list[int] = []
    packs = list(replace(own, together=5).scripts(12, counts.append))
    assert [len(pack) for pack in packs] == counts == [5, 5, 2]
    assert base64.b64decode(packs[2][1]) == own.file(11)


@pytest.mark.parametrize(
    "template", ["{{ a | upper }}", "{% include 'x' %}", "{{ a is odd }}", "{{ 1 / a }}"]
)
def test_what_is_not_translated_is_an_error(template: str) -> None:
    with pytest.raises(NotImplementedError, match=r"line 1: \w+ is not translated"):
        module("x", Environment().parse(template))


def test_filters_are_those_of_the_script() -> None:
    script = static("export/templating.js").split("const filters = {")[1]
    assert tuple(re.findall(r"^  (\w+):", script, re.MULTILINE)) == FILTERS
