"""Classification losses: a softmax over all classes, on plain, normalised or margin logits."""

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from proxy_core.checks import check_batch
from proxy_core.distances import inner_products, root
from proxy_core.hyper_parameters import (
    Angle,
    CosineMargin,
    Count,
    Fraction,
    Scale,
    Search,
    Temperature,
    checked,
)
from proxy_core.losses.parts.class_vectors import (
    ClassVectors,
    class_vectors_of,
    set_nearest_mean,
)
from proxy_core.losses.parts.proxy_cosines import proxy_cosines
from proxy_core.losses.proxy import initial_proxies


def softmax(
    embeddings: Tensor, labels: Tensor, weight: Tensor, bias: Tensor, *, label_smoothing: float
) -> Tensor:
    """Mean over the batch of -log(e^{w_y x + b_y} / sum over all c of e^{w_c x + b_c}).

    embeddings (B, D) and weight (C, D), not normalised, bias (C,), labels (B,) in 0..C-1 -> scalar.
    With label_smoothing e in [0, 1] the target is 1 - e on the own class plus e / C on every class.
    """
    logits = inner_products(embeddings, weight) + bias  # (B, C)
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)


def normalized_softmax(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, *, temperature: float
) -> Tensor:
    """Mean over the batch of -log(e^{cos(x, p_y) / T} / sum over all c of e^{cos(x, p_c) / T}).

    embeddings (B, D) and proxies (C, D) of any length, labels (B,) in 0..C-1, temperature T > 0 in
    units of the cosine -> scalar.
    """
    return F.cross_entropy(proxy_cosines(embeddings, proxies, 1 / temperature), labels)


def arcface(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, *, scale: float, margin: float
) -> Tensor:
    """Mean over the batch of the softmax loss on s cos(x, p_c), where the own class has s g(theta).

    g(theta) = cos(theta + m) up to theta = pi - m, and cos(theta) - m sin(m) beyond it. embeddings
    (B, D) and proxies (C, D) of any length, labels (B,) in 0..C-1, scale s > 0 in units of
    1/cosine, margin m in radians in [0, pi / 2] -> scalar.
    """
    cosines = proxy_cosines(embeddings, proxies)  # (B, C)
    own = cosines.gather(1, labels[:, None])
    sine = root(1.0 - own.square())
    turned = own * math.cos(margin) - sine * math.sin(margin)
    lowered = torch.where(own >= -math.cos(margin), turned, own - margin * math.sin(margin))
    return F.cross_entropy(scale * cosines.scatter(1, labels[:, None], lowered), labels)


def cosface(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, *, scale: float, margin: float
) -> Tensor:
    """Mean over the batch of the softmax loss on s cos(x, p_c), the own class at s (cos - m).

    Shapes, scale s and range of the labels as in `arcface`; margin m in [0, 2], a cosine -> scalar.
    """
    cosines = proxy_cosines(embeddings, proxies)  # (B, C)
    lowered = cosines.gather(1, labels[:, None]) - margin
    return F.cross_entropy(scale * cosines.scatter(1, labels[:, None], lowered), labels)


class Softmax(nn.Module):
    """Plain softmax classifier: cross-entropy of a linear layer on raw embeddings.

    Horiguchi et al., Significance of Softmax-based Features in Comparison to Distance Metric
    Learning-based Features, TPAMI 2020, https://arxiv.org/abs/1712.10151, who find the layer before
    the classifier as good an embedding as those of metric losses. The layer has a bias and
    PyTorch's initialisation. Only this loss, `Center` and `NPairs` depend on the length of an
    embedding.

    Differs from the paper: `label_smoothing` (Szegedy et al. 2016, default 0, which is off) exists
    because published comparisons of proxy losses often train with 0.1 without reporting it.
    """

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        label_smoothing: Annotated[Fraction, Search(0, 0.5)] = 0.0,
    ) -> None:
        super().__init__()
        self.head = nn.Linear(embedding_dim, num_classes)
        self.label_smoothing = label_smoothing

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.head.weight.shape)
        weight, bias = self.head.weight, self.head.bias
        return softmax(embeddings, labels, weight, bias, label_smoothing=self.label_smoothing)

    def class_vectors(self) -> ClassVectors:
        return class_vectors_of(self.head.weight)._replace(compared=False)

    @torch.no_grad()
    def start_at_means(self, means: Tensor) -> None:
        set_nearest_mean(self.head, means)


class NormalizedSoftmax(nn.Module):
    """Softmax classifier on cosines, divided by a temperature.

    Zhai and Wu, Classification is a Strong Baseline for Deep Metric Learning, BMVC 2019,
    https://arxiv.org/abs/1811.12649. Equals `proxy_nca_softmax` with scale = 1 / temperature; only
    the defaults differ (20 here, 18 there).

    Differs from the paper: only its loss is here, without layer normalisation and
    sampling. Proxies are the rows of the classifier.
    """

    @checked
    def __init__(
        self, num_classes: Count, embedding_dim: Count, *, temperature: Temperature = 0.05
    ) -> None:
        super().__init__()
        self.proxies = initial_proxies(num_classes, embedding_dim)
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.proxies.shape)
        return normalized_softmax(embeddings, labels, self.proxies, temperature=self.temperature)

    def class_vectors(self) -> ClassVectors:
        return class_vectors_of(self.proxies)


class ArcFace(nn.Module):
    """ArcFace: softmax on cosines, the angle to the own class widened by a margin.

    Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition, CVPR 2019,
    https://arxiv.org/abs/1801.07698, equation 3 with its s = 64 and m = 0.5 radians. The margin
    ends at pi / 2, as in the authors' code.

    Differs from the paper's formula where theta + m passes pi: there cos(theta + m) would rise
    again, and a worse embedding would cost less. From there on the logit is cos(theta) - m sin(m),
    which falls further. It jumps down by cos(m) + m sin(m) - 1 at theta = pi - m (0.12 at m = 0.5).
    The authors' code and pytorch-metric-learning 2.9 do the same; the latter takes the margin in
    degrees (28.6). At theta = 0 and pi, where its derivative by the cosine is infinite, the margin
    has gradient 0.
    """

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        scale: Scale = 64.0,
        margin: Angle = 0.5,
    ) -> None:
        super().__init__()
        self.proxies = initial_proxies(num_classes, embedding_dim)
        self.scale = scale
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.proxies.shape)
        return arcface(embeddings, labels, self.proxies, scale=self.scale, margin=self.margin)

    def class_vectors(self) -> ClassVectors:
        return class_vectors_of(self.proxies)


class CosFace(nn.Module):
    """CosFace: softmax on cosines, the cosine to the own class lowered by a margin.

    Wang et al., CosFace: Large Margin Cosine Loss for Deep Face Recognition, CVPR 2018,
    https://arxiv.org/abs/1801.09414, equation 4 with its s = 64 and m = 0.35.
    """

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        scale: Scale = 64.0,
        margin: CosineMargin = 0.35,
    ) -> None:
        super().__init__()
        self.proxies = initial_proxies(num_classes, embedding_dim)
        self.scale = scale
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels, *self.proxies.shape)
        return cosface(embeddings, labels, self.proxies, scale=self.scale, margin=self.margin)

    def class_vectors(self) -> ClassVectors:
        return class_vectors_of(self.proxies)
