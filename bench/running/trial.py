"""The speed and memory of a budget on this machine: `python -m bench.running.trial`.

A process of its own, with one thread and the environment of a run, because its largest memory is
what is measured. Standard input is a `Trial` in JSON, standard output a `Speed`. Pictures and
weights are random, which takes as long as others.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

from pydantic import BaseModel

from bench.running.price import Speed, extrapolated
from bench.running.sweep import ENVIRONMENT
from bench.spec import NO_LOSS, RunSpec

BATCHES = (8, 16)  # images; larger ones are extrapolated, since they may not fit
REPEATS = 2
KILO = 1 if sys.platform == "darwin" else 1024  # unit of the largest memory


class Trial(BaseModel):
    """What is measured: a run, the side and channels of its images, its classes and device."""

    spec: RunSpec
    side: int
    channels: int
    classes: int
    device: str


def measure(trial: Trial) -> Speed:
    """The speed of a run of a budget, in a process of its own.

    Raises: ValueError with the last line of what the process says if it fails.
    """
    result = subprocess.run(
        [sys.executable, "-m", "bench.running.trial"],
        input=trial.model_dump_json(),
        capture_output=True,
        text=True,
        env=os.environ | ENVIRONMENT,
    )
    if result.returncode:
        lines = result.stderr.strip().splitlines() or [f"ended with {result.returncode}"]
        raise ValueError(f"{trial.spec.dataset} cannot be measured: {lines[-1]}")
    return Speed.model_validate_json(result.stdout.splitlines()[-1])


def run_trial(trial: Trial) -> Speed:
    """Take a few steps and embed a few images."""
    import torch

    from bench.training.loop import make_optimizer, train_step
    from bench.training.network import make_loss, random_network
    from proxy_core.losses import ClusteredBatches

    torch.set_num_threads(1)
    spec, device = trial.spec, torch.device(trial.device)
    model = random_network(spec, trial.side, trial.channels).to(device)
    model = model.to(memory_format=torch.channels_last)
    loss = make_loss(spec, trial.classes, model.embedding_dim).to(device)
    cuda = device.type == "cuda"

    def timed(work: Callable[[], object]) -> float:
        best = float("inf")
        for _ in range(REPEATS):
            start = time.perf_counter()
            work()
            if cuda:
                torch.cuda.synchronize(device)
            best = min(best, time.perf_counter() - start)
        return best

    def memory() -> float:
        if cuda:
            return float(torch.cuda.max_memory_allocated(device))
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILO)

    steps: list[tuple[int, float]] = []
    bytes_used: list[tuple[int, float]] = []
    images = torch.rand(max(BATCHES), trial.channels, trial.side, trial.side, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        model.eval()
        embed = timed(lambda: model(images)) / len(images)
        features = model.backbone(images)
    if spec.loss != NO_LOSS:
        optimizer = make_optimizer(spec, model, loss)
        inputs = features.clone() if spec.frozen == "backbone" else images
        for batch in BATCHES:
            labels = (torch.arange(batch, device=device) // 2) % trial.classes
            targets = (labels, labels) if isinstance(loss, ClusteredBatches) else (labels,)

            def step(batch: int = batch, targets: tuple[torch.Tensor, ...] = targets) -> None:
                train_step(
                    model, loss, optimizer, inputs[:batch], targets, precision=spec.precision
                )

            steps.append((batch, timed(step)))
            bytes_used.append((batch, memory()))
    return Speed(
        step=max(0.0, extrapolated(steps[0], steps[1], spec.batch_size)) if steps else 0.0,
        embed=embed,
        memory=max(
            memory(),
            extrapolated(bytes_used[0], bytes_used[1], spec.batch_size) if steps else 0.0,
        ),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        dimensions=model.embedding_dim,
    )


if __name__ == "__main__":
    print(run_trial(Trial.model_validate_json(sys.stdin.read())).model_dump_json())
