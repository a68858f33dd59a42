"""The embedding model: a backbone and a linear layer to the dimensions of the embedding."""

from torch import Tensor, nn

from proxy_core.models.backbones import BACKBONES


class EmbeddingModel(nn.Module):
    """A backbone of `BACKBONES` and a linear layer to D dimensions, all trained from scratch.

    forward: images (B, channels, H, W), floating point -> raw embeddings (B, D), not normalised.
    ValueError when built with an unknown backbone, channels that it does not take, or D < 1.
    """

    def __init__(self, backbone: str, *, channels: int, embedding_dim: int) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"backbone {backbone!r} is unknown: use one of {', '.join(BACKBONES)}")
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim is {embedding_dim}: it must be at least 1")
        self.backbone, features = BACKBONES[backbone](channels)
        self.head = nn.Linear(features, embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.head(self.backbone(images))
        return embeddings
