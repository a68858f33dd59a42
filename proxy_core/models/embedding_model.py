"""The embedding model: a backbone and a linear layer to the dimensions of the embedding."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from proxy_core.models.backbones import count_features, make_backbone
from proxy_core.models.folding import fold
from proxy_core.models.timm_backbone import TimmBackbone

POOLINGS = ("avg", "max", "avg+max")
FROZEN = ("none", "norm", "backbone")


class EmbeddingModel(nn.Module):
    """A backbone, pooling, optional layer normalisation and a linear layer to D dimensions.

    Weights are random; `load_weights` gives the backbone those of a file.

    Arguments:
        backbone: a name of `BACKBONES`, or `timm:NAME` for a network of timm that pools.
        channels: 1 (grey) or 3 (colour); conv4 takes any number.
        embedding_dim: D; 0 for no linear layer, so that the embedding is the pooled features.
        pooling: over the last maps, "avg", "max" or "avg+max", the sum of both as in Proxy-Anchor
            (Kim et al., CVPR 2020). Networks with a pooling of their own, such as a vision
            transformer's class token, keep it under "avg" and have no other.
        layer_norm: normalise the pooled features of an image, without learned factors.
        frozen: "none"; "norm", every batch normalisation of the backbone keeps statistics and
            factors and is folded into the convolution before it; "backbone", nothing of it is
            trained.
        image_side: pixels of the square images, to check that the backbone takes them and to make
            those transformers for them that fix it; None for no check and the usual size.

    forward: images (B, channels, H, W), floating point in 0..1, or features (B, F) that
    `backbone` gave before -> raw embeddings (B, D), not normalised.

    Raises: ValueError for a name, number or size that is not one of these.
    """

    def __init__(
        self,
        backbone: str,
        *,
        channels: int,
        embedding_dim: int,
        pooling: str = "avg",
        layer_norm: bool = False,
        frozen: str = "none",
        image_side: int | None = None,
    ) -> None:
        super().__init__()
        if embedding_dim < 0:
            raise ValueError(f"embedding_dim is {embedding_dim}: it must be at least 0")
        one_of("pooling", pooling, POOLINGS)
        one_of("frozen", frozen, FROZEN)
        self.backbone, side = make_backbone(backbone, channels, pooling, image_side)
        self.features = count_features(self.backbone, backbone, channels, side)
        if frozen != "none" or isinstance(self.backbone, TimmBackbone):
            fold(self.backbone, torch.Size((2, channels, side, side)))
        self.embedding_dim = embedding_dim or self.features
        self.layer_norm = (
            nn.LayerNorm(self.features, elementwise_affine=False) if layer_norm else nn.Identity()
        )
        self.head = nn.Linear(self.features, embedding_dim) if embedding_dim else nn.Identity()
        self.frozen = frozen
        self.freeze()

    def freeze(self) -> None:
        """Exclude from training what `frozen` names."""
        for part in self.fixed_parts():
            part.requires_grad_(False)
        self.train(self.training)

    def fixed_parts(self) -> list[nn.Module]:
        """The modules that always are in evaluation mode."""
        if self.frozen == "norm":
            return [part for part in self.backbone.modules() if isinstance(part, _BatchNorm)]
        return [self.backbone] if self.frozen == "backbone" else []

    def train(self, mode: bool = True) -> "EmbeddingModel":
        """Set the mode of everything but what is frozen."""
        super().train(mode)
        for part in self.fixed_parts():
            part.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        features = images if images.ndim == 2 else self.backbone(images)
        embeddings: Tensor = self.head(self.layer_norm(features))
        return embeddings


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} is {value!r}: use one of {', '.join(known)}")
