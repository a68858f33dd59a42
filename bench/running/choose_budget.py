"""How many seeds and steps of a comparison fit into the time at hand: functions of measured times.

Seeds come first, up to the number at which each run still has `ENOUGH` steps, because a difference
between losses says nothing without the differences between seeds. Then steps are added.
"""

from dataclasses import dataclass

LEAST_SEEDS, MOST_SEEDS = 2, 5
VALIDATIONS = 8  # of a run, beside that of its start; steps are a multiple of it
LEAST_STEPS, ENOUGH_STEPS, MOST_STEPS = 24, 96, 400
UNTRAINED = 2  # runs without training
REPORT_SECONDS = 12.0  # of tables, figures and report at the end, at least
REPORT_STARTS = 2.0  # starts of a run that take as long as they: a slow machine is slow at both
SHARE = 0.9  # of the time that is planned: others may use the machine


@dataclass(frozen=True)
class Speed:
    """Seconds of the parts of a run while all processes work.

    Attributes: start, from the start of a process to its first step; step; embed, of one image;
    score, of the test images once they are embedded.
    """

    start: float
    step: float
    embed: float
    score: float


@dataclass(frozen=True)
class Work:
    """What is to be done: methods to compare, validation images, images that are embedded to score
    a network, processes at once."""

    methods: int
    validation: int
    scored: int
    processes: int


@dataclass(frozen=True)
class Plan:
    """Seeds, steps of a run, and the seconds that all runs and the report will take."""

    seeds: int
    steps: int
    seconds: float

    @property
    def evaluate_every(self) -> int:
        return self.steps // VALIDATIONS


def choose(speed: Speed, work: Work, seconds: float) -> Plan:
    """The plan that makes the most of some seconds, or the least that is sensible, which may take
    longer."""
    for seeds in range(MOST_SEEDS, LEAST_SEEDS - 1, -1):
        steps = most_steps(speed, work, seeds, SHARE * seconds)
        if steps >= ENOUGH_STEPS or seeds == LEAST_SEEDS:
            break
    steps = min(max(steps, LEAST_STEPS), MOST_STEPS)
    return Plan(seeds, steps, all_seconds(speed, work, seeds, steps))


def most_steps(speed: Speed, work: Work, seeds: int, seconds: float) -> int:
    """The most steps of a run, a multiple of `VALIDATIONS`, with which everything fits; less than 1
    if nothing does."""
    left = seconds - all_seconds(speed, work, seeds, 0)
    return int(left / rounds(work, seeds) / speed.step // VALIDATIONS) * VALIDATIONS


def all_seconds(speed: Speed, work: Work, seeds: int, steps: int) -> float:
    """Seconds of all runs and the report."""
    untrained = -(-UNTRAINED // work.processes) * (speed.start + speed.score)
    trained = rounds(work, seeds) * run_seconds(speed, work, steps)
    return untrained + trained + report_seconds(speed)


def report_seconds(speed: Speed) -> float:
    """Seconds of tables, figures and report."""
    return max(REPORT_SECONDS, REPORT_STARTS * speed.start)


def fits(work: Work, seeds: int, runs: int, seconds: float, left: float, report: float) -> bool:
    """Whether one more seed of every method fits into what is left of the time.

    seeds: those there are. runs: how many took `seconds`; fewer than one seed's say too little.
    report: seconds of the report.
    """
    if seeds >= MOST_SEEDS or runs < work.methods:
        return False
    one_after_the_other = -(-runs // work.processes)
    return rounds(work, 1) * seconds / one_after_the_other <= SHARE * left - report


def rounds(work: Work, seeds: int) -> int:
    """Runs that one process executes, one after the other."""
    return -(-work.methods * seeds // work.processes)


def run_seconds(speed: Speed, work: Work, steps: int) -> float:
    """Seconds of one run, which scores the network before training from features it has."""
    embedded = (VALIDATIONS + 1) * work.validation + work.scored
    return speed.start + steps * speed.step + embedded * speed.embed + 2 * speed.score
