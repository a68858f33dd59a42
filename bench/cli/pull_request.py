"""`python -m bench.cli.pull_request BASE`: verify what a pull request adds to results/community.

Prints a comment in Markdown: the verdict on each new folder, and the scores on both sides of the
request. Exit status: that of `proxy-bench accept`, the worst of all folders.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bench.cli.accept import Options, examine
from bench.datasets.files.work import cores
from bench.reporting.groups import method_names
from bench.reporting.rows import mean_text
from bench.reporting.stats import mean_interval
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


def main(base: str, root: Path) -> int:
    """Verify the request of a checkout against a branch; returns the exit status."""
    changes = dict(line.split("\t")[::-1] for line in diff(base, root))
    results = {name: status for name, status in changes.items() if is_result(name)}
    before = {Path(name).parts[2] for name in listed(base, root)}
    findings = [*changed_results(results, before)]
    if results and (others := sorted(changes.keys() - results.keys())):
        what = "changes other files too; results need a request of their own, verified by our code"
        findings.append(Finding("request", others[0], what))
    new = sorted({Path(name).parts[2] for name in results} - before)
    made = [examine(root / FOLDER / name, options(root)) for name in new]
    print(comment(findings, made, stored(base, root), current(root)))
    return 1 if findings else max([STATUS[found.verdict] for found in made], key=rank, default=0)


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


def diff(base: str, root: Path) -> list[str]:
    """`A<tab>path` for each file that the request adds, changes or removes."""
    names = "-c", "core.quotePath=false", "diff", "--name-status", "--no-renames"
    return git(root, *names, f"{base}...HEAD").splitlines()


def is_result(name: str) -> bool:
    """Whether a file is one of a submission."""
    return (
        name.startswith(f"{FOLDER.as_posix()}/") and len(Path(name).parts) > len(FOLDER.parts) + 1
    )


def listed(base: str, root: Path) -> list[str]:
    """Files of accepted results before the request."""
    tree = "ls-tree", "-r", "--name-only", base, "--", FOLDER.as_posix() + "/"
    return git(root, "-c", "core.quotePath=false", *tree).splitlines()


def changed_results(changes: Mapping[str, str], before: set[str]) -> Iterator[Finding]:
    """Files of accepted results that a request changes, removes or adds to."""
    for name, status in changes.items():
        submission = Path(name).parts[2]
        is_acceptance = status == "A" and Path(name) == FOLDER / submission / ACCEPTED
        if submission in before and not is_acceptance:
            word = {"A": "added", "D": "removed"}.get(status, "changed")
            yield Finding("community", name, f"was {word}, but results that are there stay")


def stored(base: str, root: Path) -> Scores:
    """The runs of accepted results before the request."""
    names = [name for name in listed(base, root) if name.endswith("/" + RECORD)]
    return grouped({name: git(root, "show", f"{base}:{name}") for name in names})


def current(root: Path) -> Scores:
    """The runs of results from others as the request has them."""
    paths = sorted((root / FOLDER).glob(f"*/runs/*/{RECORD}"))
    return grouped({path.relative_to(root).as_posix(): path.read_text() for path in paths})


def grouped(records: Mapping[str, str]) -> Scores:
    """Runs by submission, test and method; what is no record is left out, since it was named."""
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
        lines += [f"- `{found.name}`, {found.runs} runs: **{found.verdict}**"]
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
        sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "main", Path.cwd()))
    except ValueError as error:
        sys.exit(f"accept: {error}")
