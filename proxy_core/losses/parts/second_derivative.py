"""Gradients written by hand: right once, and refused where a second derivative is asked for."""

import torch


def refuse_second_derivative(name: str) -> None:
    """Raise RuntimeError if the backward pass that calls this is itself to be differentiated.

    Autograd would otherwise go on with a gradient that it takes for a constant, and give wrong
    second derivatives without a word.
    """
    if torch.is_grad_enabled():
        raise RuntimeError(
            f"{name} can be differentiated once only: its gradient is written by hand. "
            "Leave out create_graph=True"
        )
