"""`proxy-bench accept`: what is refused by its form, what is kept, and what may be explained."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.cli.submissions import accept as accepting
from bench.cli.submissions import cost as costs
from bench.cli.submissions.accept import UNPROVEN, Options, accept, already_there, examine
from bench.cli.submissions.cost import cost_of as cost_before_patch
from bench.reporting.others import others
from bench.results import community, frame
from bench.running.choose_budget import Speed
from bench.running.price import Footprint
from bench.spec import RunSpec
from bench.store.community import read_community
from bench.store.runs import Run, RunDir, scan
from bench.submissions import acceptance, form
from bench.submissions.acceptance import (
    STATUS,
    Acceptance,
    bound_over_seeds,
    bounds_of_scores,
    bounds_of_training,
    write_accepted,
)
from bench.submissions.form import check_form
from bench.submissions.pack import Content, Labels, pack, write_submission
from bench.suites import load_suite
from bench.verification.outcome import Difference, Outcome
from tests.support.fabricated import make_spec, seal, write_run
from tests.support.forgeries import elsewhere, write_curve
from tests.support.schemas import check_schema
from tests.support.submitted import SUITE, Choice, Pool


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    """A submission of made-up runs, whose form is right but for the fingerprint of their split."""
    suite = tmp_path / "mine.toml"
    suite.write_text(SUITE)
    for spec in load_suite(str(suite)).specs:
        write_run(tmp_path / "results", spec, gain=0.1 * spec.seed)
    pack(Content(suite, None, scan(tmp_path / "results")[0]), tmp_path / "sent", Labels(), {})
    return tmp_path / "sent"


@pytest.fixture
def real(pool: Pool, tmp_path: Path) -> Path:
    """A submission of one real run."""
    pool.submission(tmp_path / "real", Choice(methods=["NCA"], seeds=[0]))
    return tmp_path / "real"


def options(tmp_path: Path, **fields: Any) -> Options:
    given = {"into": tmp_path / "results" / "community", "data_root": None, "processes": 1}
    return Options(**{**given, "device": "cpu", "train": 1, "draw": None, **fields})


def first_run(folder: Path) -> Path:
    return min((folder / "runs").iterdir())


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def link(folder: Path) -> None:
    (folder / "runs" / "x").symlink_to(folder)


def pipe(folder: Path) -> None:
    os.mkfifo(first_run(folder) / "roc.safetensors")


def other_file(folder: Path) -> None:
    (first_run(folder) / "checkpoint.pt").touch()
    write_submission(folder, Labels())


def odd_name(folder: Path) -> None:
    (folder / "runs" / "a\x1b[31m").mkdir()
    (folder / "runs" / "a\x1b[31m" / "run.json").touch()


def unlisted(folder: Path) -> None:
    shutil.copy(folder / "suite.toml", first_run(folder) / "roc.safetensors")


def missing(folder: Path) -> None:
    (first_run(folder) / "queries.safetensors").unlink()


def changed(folder: Path) -> None:
    path = first_run(folder) / "curve.jsonl"
    path.write_text(path.read_text() + " ")


def later_schema(folder: Path) -> None:
    edit(folder / "submission.json", schema=2)


def unknown_field(folder: Path) -> None:
    edit(folder / "submission.json", sender="me")


def no_json(folder: Path) -> None:
    (folder / "submission.json").write_text("[" * 100_000)


def other_protocol(folder: Path) -> None:
    edit(folder / "submission.json", protocol=1)


def run_left_out(folder: Path) -> None:
    shutil.rmtree(first_run(folder))
    write_submission(folder, Labels())


def suite_with_more(folder: Path) -> None:
    (folder / "suite.toml").write_text(SUITE.replace("seeds = [0, 1]", "seeds = [0]"))
    write_submission(folder, Labels())


def no_suite(folder: Path) -> None:
    (folder / "suite.toml").write_text("title = 1")
    write_submission(folder, Labels())


@pytest.mark.parametrize(
    ("damage", "check", "words"),
    [
        (link, "files", "is a link or no file"),
        (pipe, "files", "is a link or no file"),
        (other_file, "files", "checkpoint.pt: is not a file of a submission"),
        (odd_name, "files", "is not a file of a submission"),
        (unlisted, "files", "is not listed in submission.json"),
        (missing, "files", "queries.safetensors: is missing"),
        (changed, "digests", "curve.jsonl has the digest"),
        (later_schema, "submission.json", "has schema = 2: input should be 1"),
        (unknown_field, "submission.json", "has sender"),
        (no_json, "submission.json", "submission.json"),
        (other_protocol, "protocol", "is of version 1 of the protocol"),
        (run_left_out, "suite", "is a run of the suite, and is missing"),
        (suite_with_more, "suite", "is not a run of the suite"),
        (no_suite, "suite", "is not a suite that can be read"),
    ],
)
def test_a_wrong_form_is_named(
    sent: Path, damage: Callable[[Path], None], check: str, words: str
) -> None:
    damage(sent)
    finding = check_form(sent)[1][0]
    assert finding.check == check
    assert words in str(finding) or damage is no_suite


def test_nothing_but_the_made_up_split_is_wrong_without_damage(sent: Path) -> None:
    runs, findings = check_form(sent)
    assert len(runs) == 2
    assert {finding.check for finding in findings} == {"split"}


def test_too_much_is_refused_before_it_is_read(sent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "LARGEST", dict.fromkeys(form.LARGEST, 100))
    assert "more than 100" in str(check_form(sent)[1][0])
    monkeypatch.setattr(form, "MOST_FILES", 2)
    assert "has more than 2 files" in [*map(str, check_form(sent)[1])][-1]
    odd = sent.rename(sent.parent / "Sent by me")
    assert "its name must be like" in str(check_form(odd)[1][0])


def test_an_accepted_one_is_kept_with_what_was_verified(real: Path, tmp_path: Path) -> None:
    found = accept(real, options(tmp_path, draw=5))
    assert (found.verdict, found.draw, found.trained) == ("accepted", 5, [first_run(real).name])
    [kept], problems = read_community(tmp_path / "results" / "community")
    assert problems == []
    assert kept.accepted.checked == found.checked
    assert kept.accepted.environment.keys() >= {"cpu", "packages", "finished"}
    assert str(tmp_path) not in (tmp_path / "results/community/real/accepted.json").read_text()
    table = community([kept])
    assert table["submission"].tolist() == ["real"]
    assert table["trained_again"].tolist() == [True]
    own = [column for column in table if column not in ("submission", "trained_again")]
    pd.testing.assert_frame_equal(table[own], frame(kept.runs))

    again = accept(real, options(tmp_path, draw=5))
    assert [str(finding) for finding in again.findings] == [
        f"real: {tmp_path}/results/community/real exists already"
    ]


def test_a_copy_under_another_name_is_refused(real: Path, tmp_path: Path) -> None:
    assert accept(real, options(tmp_path)).verdict == "accepted"
    shutil.copytree(real, tmp_path / "carol")
    found = accept(tmp_path / "carol", options(tmp_path))
    assert found.verdict == "refused"
    [finding] = found.findings
    assert str(finding) == "carol: holds copies of runs of real and no other"
    assert len(read_community(tmp_path / "results" / "community")[0]) == 1


def test_others_that_changed_are_named_and_those_that_wait_are_not(
    sent: Path, tmp_path: Path
) -> None:
    into = tmp_path / "community"
    for name in ("sent", "sent2"):
        shutil.copytree(sent, into / name)
    assert not already_there(into / "sent", into)
    write_accepted(into / "sent2", Acceptance("sent2", 0), "cpu")
    (into / "sent2" / "suite.toml").unlink()
    [found] = already_there(into / "sent", into)
    assert found.what.endswith("sent2/suite.toml is missing")


def test_what_is_there_already_gets_the_acceptance_alone(real: Path, tmp_path: Path) -> None:
    there = tmp_path / "results" / "community" / "real"
    shutil.copytree(real, there)
    assert "was not accepted yet" in read_community(there.parent)[1][0]
    before = {path: path.read_bytes() for path in there.rglob("*") if path.is_file()}
    assert accept(there, options(tmp_path)).verdict == "accepted"
    assert {path: path.read_bytes() for path in before} == before
    assert len(read_community(there.parent)[0]) == 1
    [finding] = accept(there, options(tmp_path)).findings
    assert finding.what == "was accepted already; to verify it again, remove its accepted.json"


def test_a_copy_that_fails_leaves_nothing(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(acceptance, "write_accepted", fail)
    with pytest.raises(OSError, match="no space"):
        accept(real, options(tmp_path))
    assert [*(tmp_path / "results" / "community").iterdir()] == []


def test_changed_results_of_others_are_named_and_left_out(real: Path, tmp_path: Path) -> None:
    given = options(tmp_path)
    accept(real, given)
    record = first_run(given.into / "real") / "run.json"
    record.write_text(record.read_text() + " ")
    assert "run.json has the digest" in read_community(given.into)[1][0]
    edit(given.into / "real" / "accepted.json", schema=2)
    assert "has schema = 2: input should be 1" in read_community(given.into)[1][0]
    edit(given.into / "real" / "accepted.json", schema=1)
    other = real.rename(tmp_path / "other")
    [finding] = accept(other, given).findings
    assert (finding.check, "run.json has the digest" in finding.what) == ("community", True)
    assert not (given.into / "other").exists()


def test_without_data_or_weights_it_says_what_was_not_checked(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*arguments: object) -> None:
        raise FileNotFoundError("digits needs a data root")

    monkeypatch.setattr(accepting, "missing_weights", lambda *arguments: "no weights of conv4")
    found = examine(real, options(tmp_path))
    assert "starts and trainings: no weights of conv4" in found.not_checked
    assert (found.trained, found.checked[-1].startswith("labels")) == ([], True)
    monkeypatch.setattr(accepting, "load", nowhere)
    found = examine(real, options(tmp_path))
    assert (found.verdict, STATUS[found.verdict]) == ("accepted without all scores", 2)
    assert found.not_checked[0].endswith("on digits, official: digits needs a data root")
    assert (found.trained, len(found.checked)) == ([], 2)


def test_the_lot_is_the_system_s_unless_given(pool: Pool, tmp_path: Path) -> None:
    pool.submission(tmp_path / "two", Choice(methods=["NCA"]))
    draws = {examine(tmp_path / "two", options(tmp_path, train=0)).draw for _ in range(2)}
    assert len(draws) == 2
    by_draw = [examine(tmp_path / "two", options(tmp_path, draw=n)).trained for n in range(4)]
    assert {len(trained) for trained in by_draw} == {1}
    assert len({*map(tuple, by_draw)}) == 2


def test_an_environment_explains_no_more_than_it_can(pool: Pool) -> None:
    specs = [pool.honest(spec) for spec in pool_specs(pool)]
    name = specs[0].name
    bounds = {specs[0].name: bounds_of_scores(specs[0])}
    for quantity, stored, verdict in (
        ("nmi", "0.5", "refused"),
        ("nmi", "0.51", "accepted with explained differences"),
        ("recall@1", "0.521", "refused"),
        ("recall@1", "nothing", "refused"),
        ("neighbors 3, rank 6 (2 of 9 differ)", "4", "accepted with explained differences"),
        ("fingerprint of the split", "a", "refused"),
    ):
        found = Acceptance("sent", 0)
        moved = Difference(quantity, stored, "0.5225")
        found.add("scores", [Outcome(name, differences=[moved], reasons=["cpu"])], bounds, specs)
        assert found.verdict == verdict, quantity
        plain = Acceptance("sent", 0)
        plain.add("scores", [Outcome(name, differences=[moved])], bounds, specs)
        assert plain.verdict == "refused"
    assert {*bounds_of_training(specs)[name].values()} == {0.15, 0.5}


def test_what_another_processor_explains_is_said_not_to_be_verified(real: Path) -> None:
    [run], _ = scan(real)
    first, *others = run.curve
    points = [first, *({**point, "loss": point["loss"] * 1.001} for point in others)]
    parameters = {**run.record["parameters"], "sha256": "0" * 64}
    write_curve(run, points, environment=elsewhere(run), parameters=parameters)
    write_submission(real, Labels())
    found = examine(real, options(real.parent))
    assert found.verdict == "accepted with explained differences"
    assert UNPROVEN in found.not_checked
    [said] = found.differences
    assert said.startswith(f"training: {run.name}: step 4 loss: stored ")
    assert "cpu Another then, " in said
    assert len(said) < 600


def test_another_code_of_a_loss_is_said_and_is_not_called_ours(real: Path) -> None:
    [run], _ = scan(real)
    before = run.record["loss_source"]
    seal(run.directory, loss_source="0" * 64)
    write_submission(real, Labels())
    found = examine(real, options(real.parent))
    [said] = [line for line in found.not_checked if line.startswith("the formula of NCA: the code")]
    assert (found.verdict, found.trained) == ("accepted", [run.name])
    parameters = {**run.record["parameters"], "sha256": "0" * 64}
    seal(run.directory, loss_source="0" * 64, parameters=parameters, environment=elsewhere(run))
    write_submission(real, Labels())
    refused = examine(real, options(real.parent))
    assert said in refused.not_checked
    assert "code of the loss: stored 000000000000, found" in str(refused.findings[0])
    [sent], _ = scan(real)
    seal(run.directory, loss_source=before)
    own, _ = scan(real)
    for members, ours in (([sent], ""), (own, "NCA")):
        community: Any = SimpleNamespace(name="real", runs=members)
        assert [row.ours for row in others(own, [community])] == [ours]


def test_seeds_that_spread_more_explain_more() -> None:
    near, far = ([0.5 + spread * n for n in range(5)] for spread in (0.001, 0.01))
    assert bound_over_seeds(near, 0.9) == pytest.approx(0.01925, abs=1e-5)
    assert bound_over_seeds(far, 0.9) == pytest.approx(0.1925, abs=1e-4)
    assert bound_over_seeds(far, 0.15) == 0.15
    assert bound_over_seeds([0.5] * 5, 0.15) == 0.005
    assert bound_over_seeds(near[:3], 0.15) == 0.15


def test_what_would_take_too_long_or_too_much_memory_is_not_begun(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "computing it again takes about 1:00 for networks before training and 10:00 for whole"
    found = examine(real, options(tmp_path, minutes=10))
    assert found.verdict == "refused"
    assert found.findings[0].check == "effort"
    assert found.findings[0].what.startswith(long)
    assert "--minutes 10: allow more" in found.findings[0].what
    assert found.checked[-1].startswith("labels")
    assert "networks before training, and trainings, because of their cost" in found.not_checked
    assert examine(real, options(tmp_path, minutes=11)).verdict == "accepted"
    large = costs.Cost(1, 1, ["cpu has 1 GB of memory"])
    monkeypatch.setattr(costs, "cost_of", lambda *arguments: large)
    assert examine(real, options(tmp_path)).findings[0].what == "cpu has 1 GB of memory"


def test_the_cost_counts_each_network_once_and_each_training(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a step of 2 s and an embedding of 0.1 s."""
    measured = Speed(start=5.0, step=2.0, embed=0.1, score=0.0), Footprint(0.0, 1, 1)
    seen: list[str] = []

    def measure(spec: RunSpec, *arguments: object) -> object:
        seen.append(spec.loss)
        return measured

    monkeypatch.setattr(costs, "measure_budget", measure)
    pool.submission(pool.folder / "two", Choice(methods=["NCA", "Triplet"]))
    runs, _ = scan(pool.folder / "two")
    triplet = [run for run in runs if run.spec["loss"] == "triplet"]
    cost = cost_before_patch(runs, triplet[:1], None, "cpu", 2)
    split = runs[0].record["split"]
    images = split["validation_images"] + split["test_images"]
    assert cost.starts == pytest.approx(2 * images * 0.1 / 2)  # two seeds, two processes
    assert cost.trainings > 12 * 2.0 / 2
    assert seen == ["triplet"]  # whose training was chosen


def test_a_network_is_computed_again_for_each_few_runs() -> None:
    """Six runs of one seed, four of which a process takes, and one of another seed."""
    specs = [make_spec("digits", "Proxy-NCA", n // 6) for n in range(7)]
    runs = [Run(Path(spec.run_name), {"spec": spec.model_dump()}) for spec in specs]
    assert [spec.seed for spec in costs.networks_of(runs)] == [0, 0, 1]


def pool_specs(pool: Pool) -> Any:
    path = pool.folder / "bounds.toml"
    path.write_text(Choice(methods=["NCA"]).suite)
    return load_suite(str(path)).specs


@pytest.mark.usefixtures("pool")
def test_the_command_prints_the_verdict_and_exits_with_its_status(
    real: Path, sent: Path, tmp_path: Path
) -> None:
    into = ["--into", str(tmp_path / "results" / "community"), "--train", "0"]
    found = CliRunner().invoke(app, ["accept", str(real), *into])
    assert found.exit_code == 0
    assert "checked: labels, and scores from embeddings, of 1 of 1 runs" in found.stdout
    assert "not checked: the training of 1 of 1 runs" in found.stdout
    assert "real, 1 runs: accepted; kept in " in found.stdout
    kept = tmp_path / "results" / "community" / "real"
    for name in ("submission", "accepted"):
        check_schema(name, json.loads((kept / f"{name}.json").read_text()))
    refused = CliRunner().invoke(app, ["accept", str(sent), *into, "--json"])
    assert refused.exit_code == 1
    document = json.loads(refused.stdout)
    check_schema("accept", document)
    assert (document["verdict"], document["findings"][0]["check"]) == ("refused", "split")
    assert not (tmp_path / "results" / "community" / "sent").exists()
    with pytest.raises(ValueError, match="there is no folder nothing"):
        CliRunner().invoke(app, ["accept", "nothing", *into], catch_exceptions=False)


@pytest.mark.usefixtures("without_figures")
def test_shown_in_the_report_beside_ours(pool: Pool, real: Path, tmp_path: Path) -> None:
    """Through the command, with and without a submission."""
    results, suite = tmp_path / "results", tmp_path / "real.toml"
    spec = load_suite(str(suite)).specs[0]
    shutil.copytree(pool.honest(spec).directory, RunDir.of(results, spec).path)
    accept(real, options(tmp_path))
    given = ["report", str(suite), "--results", str(results), "--json"]
    document = json.loads(CliRunner().invoke(app, given).stdout)
    [row] = document["others"]
    assert (row["submission"], row["ours"], row["equal"]) == ("real", "NCA", 1)
    page = (results / "reports" / "real" / "report.html").read_text()
    assert "Results from others (not ranked with ours)" in page
    assert "Trained again by lot" in page
    assert len(document["scores"]) == 2  # ours and the untrained network
