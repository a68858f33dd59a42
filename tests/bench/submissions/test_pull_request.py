"""What a pull request adds to results/community is verified; what is there may not change."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.cli.submissions import pull_request
from bench.cli.submissions.pull_request import main
from bench.submissions.acceptance import Acceptance, write_accepted
from tests.support.fabricated import seal
from tests.support.submitted import Choice, Pool

FOLDER = "results/community"


def git(root: Path, *arguments: str) -> None:
    identity = "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(pool: Pool, tmp_path: Path) -> Path:
    """A repository whose branch `main` holds one accepted submission; the request is empty."""
    root = tmp_path / "checkout"
    pool.submission(tmp_path / "first", Choice(methods=["NCA"], seeds=[0]))
    shutil.copytree(tmp_path / "first", root / FOLDER / "first")
    write_accepted(root / FOLDER / "first", Acceptance("first", 0), "cpu")
    git(tmp_path, "init", "-q", "-b", "main", str(root))
    commit(root)
    git(root, "checkout", "-q", "-b", "request")
    return root


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "x")


def add_second(checkout: Path, pool: Pool, choice: Choice) -> Path:
    pool.submission(checkout.parent / "second", choice)
    shutil.move(checkout.parent / "second", checkout / FOLDER / "second")
    return checkout / FOLDER / "second"


def test_new_results_are_verified_and_set_beside_the_old_ones(
    checkout: Path, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    add_second(checkout, pool, Choice(methods=["NCA"], seeds=[0, 1]))
    commit(checkout)
    assert main("main", checkout) == 0
    said = capsys.readouterr().out
    assert "- second, 2 runs: **accepted**" in said
    assert "  - trained again, by the lot " in said
    rows = [line.split(" | ") for line in said.splitlines() if line.startswith("| ")]
    assert rows[0][:4] == ["| Submission", "Data", "Method", "Seeds"]
    first, second = rows[1:]
    assert first[0] == "| first"
    assert first[4] == first[5] != "–"
    assert (second[0], second[3], second[4]) == ("| second", "0 1", "–")
    assert " ± " in second[5]


def test_forged_results_are_refused(
    checkout: Path, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_second(checkout, pool, Choice(methods=["NCA"], seeds=[0]))
    [run] = (folder / "runs").iterdir()
    seal(run, trained=False)
    commit(checkout)
    assert main("main", checkout) == 1
    assert "digests: second: " in capsys.readouterr().out


def test_results_that_are_there_stay(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("main", checkout) == 0
    assert "Nothing changes." in capsys.readouterr().out
    accepted = checkout / FOLDER / "first" / "accepted.json"
    accepted.write_text(accepted.read_text() + " ")
    (checkout / FOLDER / "first" / "suite.toml").unlink()
    (checkout / FOLDER / "first" / "new.txt").touch()
    (checkout / FOLDER / "first" / "runs" / "accepted.json").touch()
    commit(checkout)
    assert main("main", checkout) == 1
    said = capsys.readouterr().out
    for name, words in {
        "accepted.json": "changed, but only \\`proxy-bench accept\\` on the branch itself",
        "suite.toml": "removed, but results that are there stay",
        "new.txt": "added",
        "runs/accepted.json": "added",
    }.items():
        assert f"first/{name}: was {words}" in said


def test_a_request_brings_no_acceptance(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    accepted = checkout / FOLDER / "first" / "accepted.json"
    forged = accepted.read_text().replace('"trained": []', '"trained": ["all of them"]')
    git(checkout, "checkout", "-q", "main")
    accepted.unlink()
    commit(checkout)
    git(checkout, "checkout", "-q", "-b", "acceptance")
    accepted.write_text(forged)
    commit(checkout)
    assert main("main", checkout) == 1
    assert "first/accepted.json: was added, but only " in capsys.readouterr().out


def test_the_results_of_a_request_alone_are_checked_out_and_nothing_stays(
    checkout: Path, pool: Pool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another branch is, whose code verifies them."""
    second = add_second(checkout, pool, Choice(methods=["NCA"], seeds=[0]))
    second.rename(second.parent / "<b>`second`")
    (checkout / "code.py").touch()
    commit(checkout)
    git(checkout, "checkout", "-q", "main")
    seen: list[Path] = []

    def examined(folder: Path, options: object) -> Acceptance:
        seen.append(folder)
        assert [path.name for path in folder.parents[2].iterdir() if path.name != ".git"] == [
            "results"
        ]
        return Acceptance(folder.name, 0)

    monkeypatch.setattr(pull_request, "examine", examined)
    assert main("main", checkout, "request") == 1
    assert "- \\<b\\>\\`second\\`, 0 runs: **accepted**" in capsys.readouterr().out
    assert [path.name for path in seen] == ["<b>`second`"]
    assert not seen[0].exists()


def test_names_that_git_quotes_are_verified(
    checkout: Path, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    """They would lie in no folder of ours, and the request would seem to change nothing."""
    folder = add_second(checkout, pool, Choice(methods=["NCA"], seeds=[0]))
    folder.rename(folder.parent / 'second"\t')
    commit(checkout)
    assert main("main", checkout) == 1
    assert "its name must be like" in capsys.readouterr().out


def test_a_link_to_results_is_no_submission(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / FOLDER / "second").symlink_to("first")
    commit(checkout)
    assert main("main", checkout) == 1
    assert "results/community/second: is not a folder of a submission" in capsys.readouterr().out


def test_results_and_code_are_not_in_one_request(
    checkout: Path, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    add_second(checkout, pool, Choice(methods=["NCA"], seeds=[0]))
    (checkout / "code.py").touch()
    commit(checkout)
    assert main("main", checkout) == 1
    assert "code.py: changes other files too" in capsys.readouterr().out
    with pytest.raises(ValueError, match="git diff"):
        main("no-branch", checkout)
