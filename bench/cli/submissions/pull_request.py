"""`python -m bench.cli.submissions.pull_request BASE [REQUEST]`: verify what a request adds to
results/community.

REQUEST is a commit, HEAD if not given. None of its code runs: only its results are checked out, in
a folder of their own, and the code that runs is that of the checkout in which the command is given.

Prints a comment in Markdown: the verdict on each new folder, and the scores on both sides of the
request. Exit status: that of `proxy-bench accept`, the worst of all folders.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cli.submissions.accept import Options, examine
from bench.datasets.files.work import cores
from bench.reporting.groups import method_names
from bench.reporting.rows import mean_text
from bench.reporting.statistics.stats import mean_interval
from bench.reporting.tables import plain
from bench.store.community import ACCEPTED
from bench.store.record import check_record
from bench.store.runs import Run
from bench.submissions.acceptance import STATUS, Acceptance
from bench.submissions.form import Finding

FOLDER = Path("results/community")
RECORD = "run.json"
SHOWN = ("recall@1", "map@r")
HEADINGS = ("Submission", "Data", "Method", "Seeds", "R@1 before", "after", "MAP@R before", "after")
Key = tuple[str, str, str]  # submission, data set and split, method
Scores = dict[Key, list[Run]]


def main(base: str, root: Path, request: str = "HEAD") -> int:
    """Verify a request of a repository against a branch of it; returns the exit status."""
    changes = diff(base, request, root)
    results = {name: status for name, status in changes.items() if is_result(name)}
    before = {Path(name).parts[2] for name in listed(base, root)}
    findings = [*changed_results(results, before), *no_submissions(changes)]
    if results and (others := sorted(changes.keys() - results.keys())):
        what = "changes other files too; results need a request of their own, verified by our code"
        findings.append(Finding("request", others[0], what))
    new = sorted({Path(name).parts[2] for name in results} - before)
    with results_of(request, root) as folder:
        made = [examine(folder / FOLDER / name, options(folder)) for name in new]
    print(comment(findings, made, stored(base, root), stored(request, root)))
    return 1 if findings else max([STATUS[found.verdict] for found in made], key=rank, default=0)


@contextmanager
def results_of(request: str, root: Path) -> Iterator[Path]:
    """A folder that has nothing of a request but its results from others."""
    commit = git(root, "rev-parse", "--verify", f"{request}^{{commit}}").strip()
    with TemporaryDirectory() as folder:
        git(root, "clone", "--quiet", "--shared", "--no-checkout", ".", folder)
        if listed(commit, root):
            without_hooks = "-c", "core.hooksPath=/dev/null"
            paths = "--", FOLDER.as_posix()
            git(Path(folder), *without_hooks, "checkout", "--quiet", commit, *paths)
        yield Path(folder)


def rank(status: int) -> int:
    """Refused is worst, then accepted with differences."""
    return (0, 2, 1)[status]


def options(root: Path) -> Options:
    """Of `accept`, with a lot from the system's randomness."""
    return Options(root / FOLDER, None, cores(), "cpu", train=1, draw=None)


def git(root: Path, *arguments: str) -> str:
    """Output of git. Raises: ValueError with what it says if it fails."""
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def diff(base: str, request: str, root: Path) -> dict[str, str]:
    """Each file that the request changes, and A if it adds it, D if it removes it; `-z`, as git
    quotes names with other characters elsewhere, which would then lie in no folder of ours."""
    found = git(root, "diff", "-z", "--name-status", "--no-renames", f"{base}...{request}")
    statuses, names = found.split("\0")[:-1:2], found.split("\0")[1::2]
    return dict(zip(names, statuses, strict=True))


def is_result(name: str) -> bool:
    """Whether a file is one of a submission."""
    return (
        name.startswith(f"{FOLDER.as_posix()}/") and len(Path(name).parts) > len(FOLDER.parts) + 1
    )


def listed(commit: str, root: Path) -> list[str]:
    """Files of results from others in a commit."""
    tree = "ls-tree", "-r", "-z", "--name-only", commit, "--", FOLDER.as_posix() + "/"
    return git(root, *tree).split("\0")[:-1]


def no_submissions(changes: Mapping[str, str]) -> Iterator[Finding]:
    """What a request puts where the folders of submissions are and is none: a link, which may lead
    to one, another repository or a file."""
    for name, status in changes.items():
        path = Path(name)
        if status != "D" and (path.parent == FOLDER or path in (FOLDER, *FOLDER.parents)):
            yield Finding("community", name, "is not a folder of a submission")


def changed_results(changes: Mapping[str, str], before: set[str]) -> Iterator[Finding]:
    """Files of accepted results that a request changes, removes or adds to."""
    for name, status in changes.items():
        submission = Path(name).parts[2]
        if submission in before:
            word = {"A": "added", "D": "removed"}.get(status, "changed")
            what = f"was {word}, but results that are there stay"
            if Path(name) == FOLDER / submission / ACCEPTED:
                what = f"was {word}, but only `proxy-bench accept` on the branch itself writes it"
            yield Finding("community", name, what)


def stored(commit: str, root: Path) -> Scores:
    """The runs of results from others in a commit."""
    names = [name for name in listed(commit, root) if name.endswith("/" + RECORD)]
    return grouped({name: git(root, "show", f"{commit}:{name}") for name in names})


def grouped(records: Mapping[str, str]) -> Scores:
    """Runs by submission, test and method; what is not a record is left out, since it was named."""
    submissions: dict[str, list[Run]] = {}
    for name, text in records.items():
        with suppress(ValueError, RecursionError):
            record = json.loads(text)
            check_record(record)
            submissions.setdefault(Path(name).parts[2], []).append(Run(Path(name).parent, record))
    found: Scores = {}
    for submission, runs in submissions.items():
        for run, method in zip(runs, method_names(runs), strict=True):
            data = f"{run.spec['dataset']}, {run.spec['split']}"
            found.setdefault((submission, data, method), []).append(run)
    return found


def comment(
    findings: Sequence[Finding], made: Sequence[Acceptance], before: Scores, after: Scores
) -> str:
    """The comment in Markdown."""
    lines = ["## Results from others", ""]
    lines += [f"- **refused**: {plain(str(finding))}" for finding in findings]
    for found in made:
        lines += [f"- {plain(found.name)}, {found.runs} runs: **{found.verdict}**"]
        lines += [f"  - {plain(f'{item.check}: {item}')}" for item in found.findings]
        lines += [f"  - explained: {plain(text)}" for text in found.differences]
        lines += [f"  - checked: {plain(text)}" for text in found.checked]
        lines += [f"  - not checked: {plain(text)}" for text in found.not_checked]
        if found.trained:
            names = plain(", ".join(found.trained))
            lines += [f"  - trained again, by the lot {found.draw}: {names}"]
    if not findings and not made:
        lines += ["Nothing changes."]
    return "\n".join([*lines, "", *table(before, after)])


def table(before: Scores, after: Scores) -> Iterator[str]:
    """Means over seeds before and after the request, side by side, in percent."""
    yield f"| {' | '.join(HEADINGS)} |"
    yield f"|{'---|' * len(HEADINGS)}"
    for key in sorted({*before, *after}):
        runs = [before.get(key, []), after.get(key, [])]
        seeds = sorted({int(run.spec["seed"]) for run in runs[1] or runs[0]})
        cells = [mean(side, score) for score in SHOWN for side in runs]
        yield f"| {' | '.join([*map(plain, key), ' '.join(map(str, seeds)), *cells])} |"


def mean(runs: Sequence[Run], score: str) -> str:
    """The mean of a score over runs; `–` without one."""
    return mean_text(mean_interval([run.scores[score] for run in runs]), score) if runs else "–"


if __name__ == "__main__":
    try:
        base, *request = sys.argv[1:3] or ["main"]
        sys.exit(main(base, Path.cwd(), *request))
    except ValueError as error:
        sys.exit(f"accept: {error}")
