"""`python -m bench.reporting.documents.readme README.md RESULTS`: put stored results into a
README."""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.reporting.groups import comparable_frame
from bench.reporting.provenance import regime_sentence
from bench.reporting.rows import summarise
from bench.reporting.statistics.stats import least_sign_flip_p
from bench.reporting.tables import markdown
from bench.store.runs import Run, scan, write_text

BEGIN, END = "<!-- results -->\n", "<!-- /results -->"


def results_block(runs: Sequence[Run]) -> str:
    """Tables of the runs, and where their numbers were made."""
    seeds = sorted({str(run.spec["seed"]) for run in runs})
    origins = {
        f"{run.record['environment']['cpu']}, Python {run.record['environment']['python']}, "
        f"torch {run.record['environment']['packages']['torch']}"
        for run in runs
    }
    measured = (
        f"Seeds {', '.join(seeds)}, with which no sign-flip test falls below p = "
        f"{least_sign_flip_p(len(seeds)):.2g}; measured on {'; '.join(sorted(origins))}."
    )
    table = comparable_frame(runs)
    regimes = {regime_sentence(members) for _, members in table.groupby(["dataset", "split"])}
    measured = f"{' '.join(sorted(regimes))} {measured}"
    return f"{markdown(summarise(runs), every=False).strip()}\n\n{measured}\n"


def with_block(text: str, block: str) -> str:
    """The text with the block between the two marks.

    Raises: ValueError if a mark is missing.
    """
    if BEGIN not in text or END not in text:
        raise ValueError(f"the marks {BEGIN.strip()} and {END} must both be in the text")
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}{block}{END}{rest.split(END, 1)[1]}"


def main(readme: Path, results: Path) -> None:
    """Rewrite the README's block from what is stored.

    Raises: StoredRunError if a run is damaged: the means would lack it.
    """
    runs, problems = scan(results)
    if problems:
        raise problems[0]
    text = with_block(readme.read_text(encoding="utf-8"), results_block(runs))
    write_text(readme, text)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
