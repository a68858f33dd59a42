"""The name of a device, on which seconds and bits depend."""

import torch


def device_name(device: str) -> str:
    """A device as it is written, a GPU by its model: `cuda (NVIDIA H200)`."""
    if device.startswith("cuda"):
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device
