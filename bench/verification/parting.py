"""Where two trainings part: the first link at which their chains of digests differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.store.chain import RUNNING, StoredChain

CAUSES = {  # the first kind that differs -> what that means
    "batch ids": "other images are in the batches",
    "images": "the batches hold the same images, which were drawn or decoded to other values",
    "learning rates": "the batches are the same, the learning rates are not",
    "losses": "the same batches gave another loss: the state before differed, or the arithmetic",
    "parameters": "batches, rates and losses are the same, the parameters after them are not",
    "class vectors": "the network is the same, the class vectors after the step are not",
    "optimizer": "only averages of the optimizer differ",
}


@dataclass(frozen=True)
class Parting:
    """The first link that differs.

    Attributes: step, after which it was made; equal, the step of the last link that both have and
    that is the same, None if they differ from the start; kinds, what differs, in order of cause and
    effect; tensors, those of network, class vectors and optimizer; of, the number of all tensors.
    """

    step: int
    equal: int | None
    kinds: Sequence[str]
    tensors: Sequence[str]
    of: int

    @property
    def cause(self) -> str:
        """What the first of the kinds means; before the first step there are no batches yet."""
        if not self.kinds:
            return "the short digests do not show what"
        return CAUSES[self.kinds[0]] if self.step else f"they begin with other {self.kinds[0]}"


def compare_chains(one: StoredChain, other: StoredChain) -> tuple[Parting | None, int]:
    """Where two chains part, and the number of links that both have.

    Of chains with links at other steps, those that they share are compared; a digest that only one
    of them has differs.
    """
    steps, rows, other_rows = np.intersect1d(one.steps, other.steps, return_indices=True)
    names = dict.fromkeys([*one.names, *other.names])
    columns = {name: column for column, name in enumerate(one.names)}
    others = {name: column for column, name in enumerate(other.names)}
    same_steps = one.every == other.every
    for number, step in enumerate(steps.tolist()):
        row, other_row = one.digests[rows[number]], other.digests[other_rows[number]]
        differing = [
            name
            for name in names
            if name not in columns
            or name not in others
            or row[columns[name]] != other_row[others[name]]
        ]
        beyond = same_steps and one.links[rows[number]] != other.links[other_rows[number]]
        if differing or beyond:
            equal = int(steps[number - 1]) if number else None
            return parting(step, equal, differing, len(names) - len(RUNNING)), len(steps)
    return None, len(steps)


def parting(step: int, equal: int | None, differing: Sequence[str], of: int) -> Parting:
    """What differs, in order of cause and effect."""
    tensors = [name for name in differing if name not in RUNNING]
    kinds = [name for name in RUNNING if name in differing]
    kinds += dict.fromkeys(map(kind_of, tensors))
    return Parting(step, equal, kinds, tensors, of)


def kind_of(tensor: str) -> str:
    """Which part of a training a tensor belongs to, by the name of its digest."""
    for kind in ("parameters", "class vectors"):
        if tensor.startswith(f"{kind} "):
            return kind
    return "optimizer"
