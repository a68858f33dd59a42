import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench.spec import Budget, RunSpec
from bench.suites import SuiteError, load_suite, names
from bench.suites.arguments import resolve_arguments
from bench.suites.model import Method, Suite, misfits
from proxy_core.losses import LOSSES

GOOD = """
title = "A suite"
seeds = [0, 3]

[budgets.digits]
embedding_dim = 8
batch_size = 12
steps = 10
evaluate_every = 5
learning_rate = 1e-3
weight_decay = 0

[methods."Proxy-NCA"]
loss = "proxy_nca"
args = { scale = 12 }
loss_learning_rate = 0.01

[methods."Proxy-NCA".on.digits]
args = { scale = 7 }
samples_per_class = 3

[methods.Triplet]
loss = "triplet"
"""


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return str(path)


def message(tmp_path: Path, text: str) -> str:
    with pytest.raises(SuiteError) as caught:
        load_suite(write(tmp_path, text))
    return str(caught.value)


def test_a_suite_expands_to_its_grid_with_every_default_resolved(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path, GOOD))
    specs = suite.specs
    assert [(spec.seed, spec.method) for spec in specs] == [
        (0, "Proxy-NCA"),
        (0, "Triplet"),
        (3, "Proxy-NCA"),
        (3, "Triplet"),
    ]
    proxy, triplet = specs[:2]
    assert proxy.loss_args == {"scale": 7.0, "assignment": "static", "proxies_per_class": 1.0}
    assert isinstance(proxy.loss_args["scale"], float)
    assert (proxy.samples_per_class, triplet.samples_per_class) == (3, 4)
    assert (proxy.loss_learning_rate, triplet.loss_learning_rate) == (0.01, 0.0)
    assert "margin" in triplet.loss_args
    assert proxy.split == "class-disjoint"


def test_writing_out_a_default_does_not_change_the_run(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path, GOOD))
    triplet = suite.specs[1]
    args = ", ".join(
        f"{k} = {v!r}".replace("'", '"').replace("True", "true").replace("False", "false")
        for k, v in triplet.loss_args.items()
    )
    written = load_suite(write(tmp_path, GOOD + f"args = {{ {args} }}\nsamples_per_class = 4\n"))
    assert written.specs[1].spec_id == triplet.spec_id


@pytest.mark.parametrize("value", ['"12"', "true"])
def test_numbers_written_as_something_else_are_refused(tmp_path: Path, value: str) -> None:
    found = message(tmp_path, GOOD.replace("scale = 12", f"scale = {value}"))
    assert "methods.Proxy-NCA.args: scale: Input should be a valid number" in found


def test_all_mistakes_are_reported_at_once_each_with_its_field(tmp_path: Path) -> None:
    text = (
        GOOD.replace('loss = "triplet"', 'loss = "tripletz"')
        .replace("weight_decay = 0", "weight_decay = -1\nstepz = 5")
        .replace("scale = 12", "scael = 12")
        .replace("[0, 3]", "[0, -3]")
    )
    found = message(tmp_path, text)
    assert "mine.toml has 5 mistakes" in found
    assert "methods.Triplet.loss: unknown loss 'tripletz'; did you mean 'triplet'?" in found
    assert "budgets.digits.stepz: unknown option; did you mean 'steps'?" in found
    assert "budgets.digits.weight_decay: Input should be greater than or equal to 0" in found
    assert "methods.Proxy-NCA.args: unknown hyper-parameter of proxy_nca 'scael'" in found
    assert "did you mean 'scale'?" in found
    assert "seeds.1: Input should be greater than or equal to 0, found -3" in found


WRONG = """
title = "All kinds of mistakes"
seeds = [0]
[budgets.grocery_store]
split = "class-disjiont"
backbone = "timm:resnet5O"
weights = "pretraned"
layer_norm = "yes"
embedding_dim = 64
resize = 60
crop = 65
augmentation = "crop"
batch_size = 12
steps = 2
warmup_steps = 10
evaluate_every = 1
learning_rate = 1e-3
weight_decay = -1
[budgets.digits]
embedding_dim = 8
batch_size = 13
steps = 2
evaluate_every = 3
learning_rate = 1e-3
weight_decay = 0
[methods.A]
loss = "triplet"
samples_per_class = "sometimes"
args = { margin = [1] }
[methods.B]
loss = "triplet"
samples_per_class = 0
[methods.C]
loss = "triplet"
on.digitz = { samples_per_class = 2 }
"""


def test_fields_together_and_files_are_checked_beside_wrong_fields(tmp_path: Path) -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    header, *lines = message(tmp_path, WRONG).splitlines()
    assert header.endswith("mine.toml has 12 mistakes:")
    budget, methods = "  budgets.grocery_store", "  methods"
    starts = [
        f"{budget}.backbone: unknown backbone 'timm:resnet5O': timm has no such network; did you "
        "mean 'timm:resnet50'?",
        f"{budget}.weights: 'pretraned' is not a file; did you mean 'pretrained'?",
        f"{budget}.layer_norm: Input should be a valid boolean, found 'yes'",
        f"{budget}.weight_decay: Input should be greater than or equal to 0, found -1",
        f"{budget}.split: unknown split 'class-disjiont'; did you mean 'class-disjoint'?",
        f"{budget}.crop: 65 is more than the shorter side of 60",
        f"{budget}.warmup_steps: 10 is more than the 2 steps",
        "  budgets.digits.evaluate_every: 3 is more than the 2 steps",
        f"{methods}.A.args.margin: Input should be a valid boolean or a valid integer or a valid "
        "number or a valid string, found [1]",
        f"{methods}.A.samples_per_class: Input should be a valid integer or 'random', found "
        "'sometimes'",
        f"{methods}.B.samples_per_class: Input should be greater than or equal to 1 or 'random', "
        "found 0",
        "  suite: methods.C.on.digitz: unknown budget 'digitz'; did you mean 'digits'?",
    ]
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start)


def test_what_depends_on_a_wrong_field_is_no_second_mistake(tmp_path: Path) -> None:
    text = GOOD.replace("steps = 10", 'steps = "ten"').replace("batch_size = 12", "batch_size = 1")
    assert "has 2 mistakes" in message(tmp_path, text)
    assert "has 1 mistake:" in message(tmp_path, GOOD.replace("steps = 10\n", ""))
    unknown = GOOD.replace("[budgets.digits]", "[budgets.digitz]").replace("on.digits", "on.digitz")
    assert "has 1 mistake:" in message(tmp_path, unknown)


def test_methods_that_fit_no_right_budget_are_reported_beside_a_wrong_one(tmp_path: Path) -> None:
    text = GOOD.replace("batch_size = 12", "batch_size = 13") + OFFICIAL.replace("steps = 20", "")
    found = message(tmp_path, text)
    assert "budgets.digits official.steps: Field required" in found
    assert "methods.Triplet.samples_per_class: 4 does not divide the batch of 13" in found


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "budgets.digits",
            "budgets.digitz",
            "digitz.dataset: unknown data set 'digitz'; did you mean 'digits'?",
        ),
        ("steps = 10", 'steps = 10\nbackbone = "conv44"', "did you mean 'conv4'?"),
        ("steps = 10", 'steps = 10\nsplit = "class-joint"', "did you mean 'class-disjoint'?"),
        ("steps = 10", 'steps = "ten"', "budgets.digits.steps: Input should be a valid integer"),
        ("steps = 10", "", "budgets.digits.steps: Field required"),
        *(
            ("methods.Triplet", f'methods."{name}"', f"methods.{name}: is the name of a row that")
            for name in ("Untrained network", "untrained HEAD", "Pretrained features, PCA to 8")
        ),
        ("methods.Triplet", 'methods."Triplet "', "begins or ends with a blank, which the table"),
        ("evaluate_every = 5", "evaluate_every = 11", "11 is more than the 10 steps"),
        ("batch_size = 12", "batch_size = 13", "does not divide the batch of 13 images"),
        ("[0, 3]", "[0, 0]", "seed 0 occurs more than once"),
        ("[0, 3]", "[]", "seeds: List should have at least 1 item"),
        ("scale = 7", "scale = -7", "on: scale: Input should be greater than 0, found -7"),
        ("scale = 7", 'scale = "x"', "scale: Input should be a valid number"),
        (".on.digits", ".on.digit", "on.digit: unknown budget 'digit'; did you mean 'digits'?"),
        ('title = "A suite"', "", "title: Field required"),
        ("learning_rate = 1e-3", "learning_rate = nan", "finite number"),
        ("steps = 10", "steps = 10\nresize = 64", "resize: digits has small images, which are not"),
        ("steps = 10", 'steps = 10\ninterpolation = "bicubic"', "interpolation: digits has small"),
        ("steps = 10", 'steps = 10\naugmentation = "crop"', "small images take none or affine"),
    ],
)
def test_each_mistake_has_its_message(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    assert expected in message(tmp_path, GOOD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("budget", "rate", "expected"),
    [
        (
            {"frozen": "backbone"},
            0.0,
            "with 0 no part of the network learns (budget shop)",
        ),
        ({"embedding_dim": 0}, 0.1, "embedding_dim = 0 has no head (budget shop)"),
        ({"frozen": "backbone"}, 0.1, ""),
        ({"frozen": "norm"}, 0.0, ""),
    ],
)
@pytest.mark.parametrize("on", [False, True])
def test_a_rate_of_the_head_that_a_method_sets_fits_the_budget(
    budget: dict[str, Any], rate: float, expected: str, on: bool
) -> None:
    suite = load_suite("grocery")
    budgets = {"shop": suite.budgets["grocery_store"].model_copy(update=budget)}
    field = {"head_learning_rate": rate}
    method = Method.model_validate({"loss": "triplet"} | ({"on": {"shop": field}} if on else field))
    found = misfits({"T": method}, budgets, budgets)
    assert found == ([f"methods.T.head_learning_rate: {expected}"] if expected else [])


def test_a_method_may_say_that_it_starts_from_pretrained_features(tmp_path: Path) -> None:
    name = "Pretrained features + triplet"
    suite = load_suite(write(tmp_path, GOOD.replace("methods.Triplet", f'methods."{name}"', 1)))
    assert name in suite.methods


OFFICIAL = """
[budgets."digits official"]
dataset = "digits"
split = "official"
embedding_dim = 16
batch_size = 12
steps = 20
evaluate_every = 5
learning_rate = 1e-3
weight_decay = 0

[methods.Triplet.on."digits official"]
args = { margin = 0.5 }
"""


def test_a_suite_may_hold_a_data_set_under_two_splits(tmp_path: Path) -> None:
    one, both = (load_suite(write(tmp_path, text)) for text in (GOOD, GOOD + OFFICIAL))
    assert both.specs[:4] == one.specs
    assert [spec.spec_id for spec in both.specs[:4]] == [spec.spec_id for spec in one.specs]
    found = both.specs[4:]
    assert {(spec.dataset, spec.split, spec.steps) for spec in found} == {
        ("digits", "official", 20)
    }
    assert [spec.loss_args["margin"] for spec in both.specs if spec.method == "Triplet"] == [
        *[one.specs[1].loss_args["margin"]] * 2,
        0.5,
        0.5,
    ]
    renamed = GOOD.replace("[budgets.digits]", '[budgets.first]\ndataset = "digits"')
    again = load_suite(write(tmp_path, renamed.replace("on.digits", "on.first")))
    assert again.specs == one.specs  # the name is not part of a run


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            'split = "official"',
            "",
            "budgets: digits official: 'digits' is a budget of digits, class-disjoint already; "
            "give this one another split, or put it into another suite",
        ),
        (
            'on."digits official"',
            'on."digits oficial"',
            "methods.Triplet.on.digits oficial: unknown budget 'digits oficial'; did you mean "
            "'digits official'? (known: digits, digits official)",
        ),
        (
            'dataset = "digits"',
            "",
            "budgets.digits official.dataset: unknown data set 'digits official' (known: digits, ",
        ),
        ('dataset = "digits"', 'dataset = "digit"', "unknown data set 'digit'; did you mean"),
        ('dataset = "digits"', 'datset = "digits"', "unknown option; did you mean 'dataset'?"),
        ('dataset = "digits"', "dataset = 3", "dataset: Input should be a valid string, found 3"),
        ("batch_size = 12", "batch_size = 13", "13 images that digits official fixes"),
    ],
)
def test_a_mistake_in_a_second_budget_has_its_message(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert old in OFFICIAL
    assert expected in message(tmp_path, GOOD + OFFICIAL.replace(old, new, 1))


PHOTOGRAPHS = 'steps = 10\nresize = 64\ncrop = 56\naugmentation = "crop"'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("resize = 64\n", "", "grocery_store.resize: grocery_store has photographs, so give the"),
        ("crop = 56\n", "", "crop: grocery_store has photographs, so give the side of the square"),
        ("crop = 56", "crop = 65", "crop: 65 is more than the shorter side of 64"),
        ('"crop"', '"affine"', "augmentation: photographs take none, crop or resized-crop"),
        ("resize = 64", "resize = 0", "resize: Input should be greater than or equal to 1"),
    ],
)
def test_photographs_need_their_sizes(tmp_path: Path, old: str, new: str, expected: str) -> None:
    good = GOOD.replace("digits", "grocery_store").replace("steps = 10", PHOTOGRAPHS)
    suite = load_suite(write(tmp_path, good))
    assert (suite.specs[0].resize, suite.specs[0].crop) == (64, 56)
    assert old in good
    assert expected in message(tmp_path, good.replace(old, new, 1))


def test_methods_that_would_share_a_directory_are_refused(tmp_path: Path) -> None:
    twin = '\n[methods."Triplet!"]\nloss = "triplet"\n'
    assert "methods.Triplet!: is the same as 'Triplet' on digits" in message(tmp_path, GOOD + twin)
    other = twin + "args = { margin = 0.3 }\n"
    assert len(load_suite(write(tmp_path, GOOD + other)).specs) == 6


def test_a_broken_file_is_reported_with_its_line(tmp_path: Path) -> None:
    assert "line 3" in message(tmp_path, 'title = "x"\n\nseeds = 0 0\n')


def test_a_missing_suite_is_reported_with_the_known_ones() -> None:
    with pytest.raises(SuiteError, match=r"did you mean 'default'\? \(known: default"):
        load_suite("defualt")
    with pytest.raises(SuiteError, match=r"there is no suite file nowhere/mine\.toml"):
        load_suite("nowhere/mine.toml")


@pytest.mark.parametrize("name", names())
def test_every_suite_of_the_package_is_valid_and_has_one_budget_per_test(name: str) -> None:
    suite = load_suite(name, need_weights=False)
    specs = suite.specs
    assert len({spec.spec_id for spec in specs}) == len(specs)
    searched = {"learning_rate", "head_learning_rate"}  # a method may have found its own
    for spec in specs:
        assert RunSpec.model_validate(spec.model_dump()) == spec
    budgets = {(budget.dataset, budget.split): budget for budget in suite.budgets.values()}
    for spec in suite.grid(suite.seeds):  # one budget per data set and split, whatever the loss
        budget = spec.model_dump(include={*Budget.model_fields, "dataset"} - searched)
        assert budget == budgets[spec.dataset, spec.split].model_dump(exclude=searched)


def test_a_method_may_have_learning_rates_of_its_own(tmp_path: Path) -> None:
    own = "learning_rate = 3e-5\nhead_learning_rate = 3e-4\n"
    suite = load_suite(write(tmp_path, GOOD + own))  # of the last method
    found = {spec.method: (spec.learning_rate, spec.head_learning_rate) for spec in suite.grid([0])}
    assert found == {"Proxy-NCA": (1e-3, None), "Triplet": (3e-5, 3e-4)}


def test_a_budget_with_weights_adds_the_runs_without_training() -> None:
    suite = load_suite("grocery")
    features, pca, *official = suite.untrained
    assert suite.specs == (features, pca, *official, *suite.grid([0, 1, 2]))
    assert [spec.model_copy(update={"split": "class-disjoint"}) for spec in official] == [
        features,
        pca,
    ]
    assert (features.method, features.embedding_dim) == ("Pretrained features", 0)
    assert (pca.method, pca.embedding_dim) == ("Pretrained features, PCA to 64", 64)
    for spec in (features, pca):
        assert (spec.loss, spec.steps, spec.seed) == ("none", 0, 0)
        assert spec.weights_sha256 == suite.budgets["grocery_store"].weights_sha256
    training = {"steps": 900, "learning_rate": 1.0}
    longer = {name: b.model_copy(update=training) for name, b in suite.budgets.items()}
    changed = suite.model_copy(update={"budgets": longer})
    assert changed.untrained == suite.untrained  # they do not depend on the training


@pytest.mark.parametrize(
    ("fields", "seeds"),
    [
        ({}, [0, 1, 2]),
        ({"head_init": "orthogonal"}, [0, 1, 2]),
        ({"head_init": "pca"}, []),  # that is the row of principal components
        ({"embedding_dim": 0}, []),
        ({"weights": None, "weights_sha256": None}, []),
    ],
)
def test_without_methods_a_random_head_is_scored_with_each_seed(
    fields: dict[str, object], seeds: list[int]
) -> None:
    with_methods = load_suite("grocery")
    budget = with_methods.budgets["grocery_store"].model_copy(update={"head_init": "random"})
    update = {"budgets": {"grocery_store": budget.model_copy(update=fields)}}
    suite = with_methods.model_copy(update={**update, "methods": {}})
    others = with_methods.model_copy(update=update).untrained  # whose runs score where they start
    assert suite.untrained[: len(others)] == others
    heads = suite.untrained[len(others) :]
    assert [(spec.method, spec.seed) for spec in heads] == [("Untrained head", s) for s in seeds]
    for spec in heads:
        assert (spec.loss, spec.steps, spec.embedding_dim) == ("none", 0, 64)
        assert spec.head_init == fields.get("head_init", "random")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weights": None}, "is given without weights"),
        ({"weights_sha256": "0" * 64}, "these are other weights"),
        ({"weights": "missing.pth"}, "the file missing.pth does not exist"),
        ({"backbone": "conv4"}, "conv4 has none"),
        ({"backbone": "efficientnet_lite"}, "those of timm begin with timm:"),
        ({"momentum": 0.9}, "adamw has none"),
        ({"schedule": "step"}, "which needs it"),
        ({"decay_every": 5}, "belongs to schedule"),
        ({"warmup_steps": 900}, "900 is more than the 200 steps"),
        ({"frozen": "backbone"}, "computed once: choose none"),
        ({"embedding_dim": 0}, "has no head"),
        (
            {"frozen": "backbone", "augmentation": "none", "head_learning_rate": 0.0},
            "head_learning_rate\n.*with 0 no part of the network learns",
        ),
        ({"layer_norm": 3}, "layer_norm"),
        ({"patience": 0}, "patience"),
    ],
)
def test_a_mistake_in_the_fields_of_pretrained_networks_is_named(
    fields: dict[str, object], message: str
) -> None:
    suite = load_suite("grocery").model_dump(exclude_none=True)
    suite["budgets"]["grocery_store"] |= fields
    for method in suite["methods"].values():
        method.pop("on", None)
    with pytest.raises(ValidationError, match=message):
        Suite.model_validate(suite)


def test_the_suite_of_losses_has_every_loss_and_a_rate_for_learned_parameters() -> None:
    suite = load_suite("losses")
    assert {method.loss for method in suite.methods.values()} == LOSSES.keys(), (
        "add a method for the new loss to bench/suites/losses.toml"
    )
    for name, method in suite.methods.items():
        learns = any(True for _ in LOSSES[method.loss](3, 2, **method.args).parameters())
        assert (method.loss_learning_rate > 0) == learns, name
    plain = [m.loss for m in suite.methods.values() if m.args == resolve_arguments(m.loss, {})]
    assert sorted(plain) == sorted(LOSSES), "one method of each loss stays at its defaults"
    default = load_suite("default").budgets["glyphs"]
    changed = default.model_copy(update={"steps": 300, "evaluate_every": 50})
    assert suite.budgets == {"glyphs": changed}


def test_arguments_are_resolved_and_runs_expanded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(loss: str, args: dict[str, Any]) -> dict[str, Any]:
        calls.append(loss)
        return resolve_arguments(loss, args)

    monkeypatch.setattr("bench.suites.model.resolve_arguments", counted)
    suite = load_suite("default")
    assert suite.specs is suite.specs
    assert len(calls) == sum(1 + len(method.on) for method in suite.methods.values())


def file_message(tmp_path: Path, content: bytes) -> str:
    (tmp_path / "mine.toml").write_bytes(content)
    with pytest.raises(SuiteError) as caught:
        load_suite(str(tmp_path / "mine.toml"))
    return str(caught.value)


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_suite(str(tmp_path / "mine.toml")) == load_suite(write(tmp_path, GOOD))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_two_and_four_byte_encodings_are_named(tmp_path: Path, encoding: str) -> None:
    text = file_message(tmp_path, GOOD.encode(encoding))
    assert "this is UTF-16 or UTF-32; save the file as UTF-8" in text


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "iso-8859-15"])
def test_one_byte_encodings_are_named_with_the_line(tmp_path: Path, encoding: str) -> None:
    text = file_message(tmp_path, GOOD.replace("A suite", "Méthode").encode(encoding))
    assert "line 2: the byte 0xe9 is not UTF-8, but perhaps Latin-1 or Windows-1252 ('é')" in text


@pytest.mark.parametrize(
    ("line", "part"),
    [
        (f"x = {'[' * 5000}{']' * 5000}", "nested too deeply"),
        (f"x = {'{a=' * 5000}1{'}' * 5000}", "nested too deeply"),
        (f"x = {'[' * 40}{']' * 40}", "Triplet.x...: it is nested too deeply"),
        (f"{'a.' * 500}a = 1", "nested too deeply"),
        (f"x = {'9' * 400}", "methods.Triplet.x: a whole number is beyond 64 bits"),
        (f"x = {'9' * 5000}", "a number is beyond 64 bits"),
        (f"x = 0x{'f' * 9000}", "methods.Triplet.x: a whole number is beyond 64 bits"),
        (f"args = {{ margin = -{'9' * 400} }}", "args.margin: a whole number is beyond 64 bits"),
        (f"x = [[9{'9' * 400}]]", "methods.Triplet.x: a whole number is beyond 64 bits"),
        (f"x = {'9' * 400}.0", "x: unknown option"),
        (f"{'a' * 10_000} = 1", f"{'a' * 60}: unknown option"),
        (f'loss_learning_rate = "{"a" * 10_000}"', "found 'aaaa"),
    ],
)
def test_what_is_too_deep_or_too_long_is_one_short_message(
    tmp_path: Path, line: str, part: str
) -> None:
    text = message(tmp_path, f"{GOOD}{line}\n")
    assert part in text
    assert len(text) < 500


@pytest.mark.parametrize(
    ("found", "changed", "part"),
    [
        ("batch_size = 12", "batch_size = 1_000_000_000", "less than or equal to 65536"),
        ("steps = 10", "steps = 10_000_000_000", "less than or equal to 1000000000"),
        ("batch_size = 12", "batch_size = true", "digits.batch_size: true is not a number"),
        ("steps = 10", "steps = true", "digits.steps: true is not a number"),
        ("weight_decay = 0", "weight_decay = false", "digits.weight_decay: false is not a number"),
        ("seeds = [0, 3]", "seeds = [0, true]", "seeds.1: true is not a number"),
        ("loss_learning_rate = 0.01", "loss_learning_rate = true", "learning_rate: true is not a"),
        ("samples_per_class = 3", "samples_per_class = true", "samples_per_class: true is not a"),
        ("{ scale = 12 }", "{ scale = true }", "scale: Input should be a valid number, found True"),
        ('"A suite"', "true", "title: "),
        ("steps = 10", "steps = 1e999", "steps: Input should be a finite number"),
        ('"A suite"', r'"\u001b[31m"', r"title: has the control character '\x1b'; remove it"),
        ("methods.Triplet", r'methods."a\u202e"', r"has the control character '\u202e'; remove it"),
        ("methods.Triplet", r'methods."a\nb"', r"has the control character '\n'; remove it"),
        ("methods.Triplet", r'methods."\u0000"', r"has the control character '\x00'; remove it"),
    ],
)
def test_numbers_and_names_beyond_their_range(
    tmp_path: Path, found: str, changed: str, part: str
) -> None:
    assert found in GOOD
    assert part in message(tmp_path, GOOD.replace(found, changed))


def test_many_seeds_are_checked_in_linear_time(tmp_path: Path) -> None:
    """Twenty times as many take about twenty times as long; pairs would take 400 times."""
    seconds = []
    for count in (2_000, 40_000):
        path = write(tmp_path, GOOD.replace("[0, 3]", str(list(range(count)))))
        start = time.perf_counter()
        assert len(load_suite(path).specs) == 2 * count
        seconds.append(time.perf_counter() - start)
    assert seconds[1] < 100 * seconds[0]


def test_a_grid_of_too_many_runs_is_refused(tmp_path: Path) -> None:
    text = message(tmp_path, GOOD.replace("[0, 3]", str(list(range(50_001)))))
    assert "100,002 runs are more than the 100,000 of a suite" in text


def test_repeated_seeds_among_many_are_named(tmp_path: Path) -> None:
    text = message(tmp_path, GOOD.replace("[0, 3]", str([*range(20_000), 17, 5])))
    assert "seed 5 occurs more than once" in text
