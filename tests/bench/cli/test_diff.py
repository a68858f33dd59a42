"""`proxy-bench diff`: where two stored runs part, by their chains."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cli import main as command_line
from bench.store.chain import Chain, has_link
from bench.store.runs import Run, RunDir, StoredRunError, load_run, read_runs, save_arrays
from bench.verification.elements import first_element
from tests.support.fabricated import make_spec, owner, seal, write_run
from tests.support.schemas import check_schema

TENSORS = ("parameters head.weight", "class vectors proxies", "exp_avg of head.weight")
Command = Callable[..., tuple[int, str]]


def made_chain(steps: int, every: int, part: int | None = None, name: str = "") -> Chain:
    """A chain in which the digests of a name are others from a step on."""
    chain = Chain(every)
    for step in range(steps + 1):
        later = part is not None and step >= part
        chain.note("batch ids", f"{step}")
        chain.note("losses", f"{step}" + ("x" if later and step > (part or 0) else ""))
        if has_link(step, every, steps):
            chain.names = [*chain.running, *TENSORS]
            found = {tensor: f"{step:064x}" for tensor in TENSORS}
            chain.add(step, found | ({name: "f" * 64} if later else {}))
    return chain


def write(results: Path, chain: Chain | None, **environment: object) -> Run:
    """A made-up run with a chain."""
    path = write_run(results, make_spec("digits", "Proxy-NCA", 0), gain=0.1)
    files = RunDir(path)
    if chain:
        save_arrays(files.chain, chain.arrays(), owner(path) | chain.header())
    stored = json.loads(files.record.read_text())["environment"]
    seal(path, environment={**stored, **environment})
    return load_run(files)


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in this process; returns its exit status and what it prints."""

    def diff(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["proxy-bench", "diff", *map(str, arguments)])
        monkeypatch.setattr(command_line, "accept_every_character", lambda: None)
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        captured = capfd.readouterr()
        code = ended.value.code or 0
        assert isinstance(code, int)
        return code, captured.out + captured.err

    return diff


def test_the_step_and_the_tensor_are_named_with_what_may_explain_them(
    tmp_path: Path, command: Command
) -> None:
    one = write(tmp_path / "a", made_chain(100, 4))
    other = write(tmp_path / "b", made_chain(100, 4, 42, TENSORS[0]), cpu="Another")
    seal(one.directory, loss_source="a" * 64)
    seal(other.directory, loss_source="b" * 64)
    code, shown = command(one.directory, other.directory)
    assert code == 1
    assert "All that the chains hold is equal up to step 40; they part by step 44: losses" in shown
    assert "44: losses, parameters (1 of 3" in shown
    assert "A made-up CPU in A, Another in B" in shown
    assert "may be because of: code of the loss aaaaaaaaaaaa in A, bbbbbbbbbbbb in B" in shown
    assert "digests have no elements and a network was not stored; --train" in shown
    code, text = command(one.directory, other.directory, "--json")
    document: dict[str, Any] = json.loads(text)
    check_schema("diff", document)
    assert code == 1
    assert document["parting"]["tensors"] == [TENSORS[0]]
    assert (document["parting"]["equal"], document["parting"]["step"]) == (40, 44)
    assert document["results"] == []


def test_equal_runs_and_runs_without_a_chain(tmp_path: Path, command: Command) -> None:
    one = write(tmp_path / "a", made_chain(100, 5))
    same = write(tmp_path / "b", made_chain(100, 10))
    older = write(tmp_path / "c", None)
    code, shown = command(one.directory, same.directory)
    assert (code, "all 11 links that both chains have are equal" in shown) == (0, True)
    code, shown = command(one.name, older.directory, "--results", tmp_path / "a")
    assert (code, f"{older.directory} keeps no chain of digests" in shown) == (0, True)
    code, shown = command(one.directory, "nothing", "--results", tmp_path / "a")
    assert (code, "no run matches 'nothing'" in shown) == (1, True)


def test_a_difference_from_the_start_and_one_that_only_links_show(tmp_path: Path) -> None:
    from bench.verification.comparison import compare_stored

    one = write(tmp_path / "a", made_chain(100, 10))
    other = write(tmp_path / "b", made_chain(100, 10, 0, TENSORS[1]))
    parting = compare_stored(one, other).parting
    assert parting is not None
    assert (parting.step, parting.equal, parting.kinds) == (0, None, ["class vectors"])
    short = made_chain(100, 10)
    short.links[3] = "0" * 16
    parting = compare_stored(one, write(tmp_path / "c", short)).parting
    assert parting is not None
    assert (parting.step, parting.kinds) == (30, [])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda chain: chain.steps.pop(), "steps, digests|cannot reshape"),
        (lambda chain: chain.steps.__setitem__(1, 6), "expected one every 5 steps up to 100"),
        (lambda chain: chain.names.__setitem__(0, "other"), "digests of other things"),
        (lambda chain: chain.names.pop(), "names"),
        (lambda chain: setattr(chain, "every", 0), "expected one every 0 steps"),
    ],
)
def test_a_chain_that_cannot_be_is_named(
    change: Callable[[Chain], object], problem: str, tmp_path: Path
) -> None:
    chain = made_chain(100, 5)
    arrays = chain.arrays()
    change(chain)
    files = write(tmp_path, made_chain(100, 5)).files
    arrays["steps"] = np.array(chain.steps, np.int32)
    save_arrays(files.chain, arrays, owner(files.path) | chain.header())
    seal(files.path)
    _, problems = read_runs([files])
    assert len(problems) == 1
    with pytest.raises(StoredRunError, match=problem):
        load_run(files).check_files()


def test_the_first_element_is_found_by_its_bits() -> None:
    one: dict[str, np.ndarray] = {"head.weight": np.arange(6, dtype=np.float32).reshape(2, 3)}
    moved = one["head.weight"].copy()
    other: dict[str, np.ndarray] = {"head.weight": moved, "more": np.zeros(2)}
    assert first_element(one, other) is None
    moved[1, 2] = np.nextafter(np.float32(5), np.float32(6))
    found = first_element(one, other)
    assert found is not None
    assert found.quantity == "head.weight[1, 2] (1 of 6 differ)"
    assert (found.stored, found.found) == ("5.0 (0x40a00000)", "5.0000005 (0x40a00001)")
    plus, minus = {"bias": np.zeros(2, np.float32)}, {"bias": -np.zeros(2, np.float32)}
    assert "0x80000000" in str(first_element(plus, minus))
