"""The chain of a run: digests of its state every few steps, each link made with the one before it.
Where the chains of two runs part, the runs part."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

# Digests of everything up to a step, in order of cause and effect; those of tensors come after.
RUNNING = ("batch ids", "images", "learning rates", "losses")
DIGITS = 8  # of a stored digest: two that differ are equal once in 4 billion times
LINK_DIGITS = 16
ABSENT = "0" * DIGITS  # of the average of a parameter that had no gradient yet
ARRAYS = {"steps": "int32", "digests": "uint32", "links": "uint64"}


def has_link(step: int, every: int, steps: int) -> bool:
    """Whether a step has a link: every few, and the last of all steps of a specification."""
    return step % every == 0 or step == steps


def linked(done: int, every: int, steps: int) -> list[int]:
    """The steps that have links once some of all steps are done."""
    return [step for step in range(done + 1) if has_link(step, every, steps)]


@dataclass
class Chain:
    """The links up to now, as a checkpoint keeps them.

    Attributes: every, steps from one link to the next, 0 before the first; names, what each digest
    of a link is of; steps, of the links, 0 first; rows, the digests of each link, `DIGITS` each in
    the order of names; links, made from the whole digests and from the link before; running, by
    kind the digest of all that happened.
    """

    every: int = 0
    names: list[str] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    running: dict[str, str] = field(default_factory=lambda: dict.fromkeys(RUNNING, ABSENT))

    def note(self, kind: str, content: str) -> None:
        """Add what happened in a step to the running digest of its kind."""
        self.running[kind] = sha256((self.running[kind] + content).encode()).hexdigest()

    def add(self, step: int, tensors: Mapping[str, str]) -> None:
        """Add the link of a step; tensors, the digest of each by its name."""
        found = {**self.running, **tensors}
        row = [found.get(name, ABSENT) for name in self.names]
        before = self.links[-1] if self.links else ""
        self.steps.append(step)
        self.rows.append("".join(digest[:DIGITS] for digest in row))
        self.links.append(sha256((before + "".join(row)).encode()).hexdigest()[:LINK_DIGITS])

    def arrays(self) -> dict[str, np.ndarray]:
        """As they are stored: `steps` (L,), `digests` (L, T) and `links` (L,)."""
        digests = np.frombuffer(bytes.fromhex("".join(self.rows)), ">u4")
        links = np.frombuffer(bytes.fromhex("".join(self.links)), ">u8")
        return {
            "steps": np.array(self.steps, np.int32),
            "digests": digests.astype(np.uint32).reshape(len(self.steps), len(self.names)),
            "links": links.astype(np.uint64),
        }

    def header(self) -> dict[str, str]:
        """What is stored beside the arrays."""
        return {"names": json.dumps(self.names), "every": str(self.every)}


@dataclass(frozen=True, eq=False)
class StoredChain:
    """A chain as a run stored it: names, of the T digests; steps (L,); digests (L, T); links (L,),
    each made with the one before it."""

    names: Sequence[str]
    every: int
    steps: np.ndarray
    digests: np.ndarray
    links: np.ndarray

    @classmethod
    def of(cls, header: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> "StoredChain":
        """Raises: ValueError, KeyError or TypeError for what is not a chain."""
        if (found := {name: array.dtype.name for name, array in arrays.items()}) != ARRAYS:
            raise ValueError(f"holds {found}, expected {ARRAYS}")
        names = json.loads(header["names"])
        return cls(names, int(header["every"]), **arrays)

    def link_at(self, step: int) -> str:
        """The link of a step that has one, in hexadecimal digits."""
        return f"{int(self.links[self.steps == step][0]):0{LINK_DIGITS}x}"

    def check(self, done: int, steps: int) -> None:
        """Raise ValueError unless each step that has a link has one, of those that were done of all
        steps of the specification."""
        lengths = {len(self.steps), len(self.digests), len(self.links)}
        if len(lengths) > 1 or self.digests.shape[1:] != (len(self.names),):
            raise ValueError(
                f"has {len(self.steps)} steps, digests {self.digests.shape}, {len(self.links)} "
                f"links and {len(self.names)} names"
            )
        if self.every < 1 or self.steps.tolist() != linked(done, self.every, steps):
            raise ValueError(
                f"has {len(self.steps)} links, expected one every {self.every} steps up to {done}"
            )
        if (*self.names[: len(RUNNING)],) != RUNNING or len({*self.names}) < len(self.names):
            raise ValueError("has digests of other things than a chain has")
