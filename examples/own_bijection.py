"""A bijection of one's own: thirty lines, checked against automatic differentiation, in a flow.

The layer bends the tails of each coordinate and skews it, by two trainable numbers (Jones, Pewsey,
"Sinh-arcsinh distributions", 2009, doi:10.1093/biomet/asp053). With a linear map behind it, it is
a flow of ten numbers, each of which can be read, which finds the law that the data were made by.
Fitting, scores, figures and metrics take it as they take any other flow.

    python examples/own_bijection.py
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import genlab
from genlab.bijections import Bijection, Compose, LULinear
from genlab.models import Flow


class SinhArcsinh(Bijection):
    """``z = sinh(a arcsinh(x) + b)``, coordinate by coordinate: a > 0 bends tails, b skews.

    ``log|det| = sum_i log a_i + log cosh(a_i arcsinh(x_i) + b_i) - log(1 + x_i^2) / 2``.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        # The identity, to start from.
        self.log_a = nn.Parameter(torch.zeros(dim))
        self.b = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        bent = self.log_a.exp() * x.asinh() + self.b
        slopes = self.log_a + log_cosh(bent) - log_cosh(x.asinh())
        return bent.sinh(), slopes.sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        straight = (z.asinh() - self.b) * (-self.log_a).exp()
        slopes = log_cosh(straight) - log_cosh(z.asinh()) - self.log_a
        return straight.sinh(), slopes.sum(1)


def log_cosh(y: Tensor) -> Tensor:
    """``log cosh y``, where cosh itself would overflow too; ``cosh(arcsinh x) = sqrt(1 + x^2)``."""
    return y.abs() + torch.log1p((-2 * y.abs()).exp()) - 0.6931471805599453


def check(layer: Bijection, dim: int) -> float:
    """The largest error of inverse and log-determinant, in float64, against autograd's Jacobian."""
    layer = layer.double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.5)
    x = 3 * torch.randn(50, dim, dtype=torch.float64)
    z, log_det = layer(x)
    back, log_det_back = layer.inverse(z)
    jacobians = torch.func.vmap(torch.func.jacrev(lambda row: layer(row[None])[0][0]))(x)
    errors = (
        back - x,
        log_det - torch.linalg.slogdet(jacobians).logabsdet,
        log_det + log_det_back,
    )
    return max(error.abs().max().item() for error in errors)


class Bent(Flow):
    """``z = W sinh(a arcsinh(x) + b) + c`` with z ~ N(0, I)."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.layers = Compose([SinhArcsinh(dim), LULinear(dim)])

    @property
    def bend(self) -> SinhArcsinh:
        return self.layers.layers[0]


def main(steps: int = 1000) -> dict[str, float]:
    """Make data by a flow whose numbers are set by hand, and learn them back."""
    torch.manual_seed(0)
    print(f"largest error against autograd: {check(SinhArcsinh(3), 3):.1e}")

    truth = Bent(2)
    with torch.no_grad():
        truth.bend.log_a.copy_(torch.tensor([0.6, 0.8]).log())  # below 1: heavy tails
        truth.bend.b.copy_(torch.tensor([0.5, -0.3]))
    x, fresh = truth.sample(20_000), truth.sample(20_000)
    best = genlab.score(truth, fresh).mean()

    lacking = {}
    for model in (genlab.models.GMM(2, components=1), Bent(2)):
        genlab.fit(model, x, steps=steps, lr=1e-2, standardise=False)
        lacking[type(model).__name__] = best - genlab.score(model, fresh).mean()
        print(
            f"{type(model).__name__:4} {lacking[type(model).__name__]:.3f} nats above the optimum"
        )
    for name, flow in (("true", truth), ("learned", model)):
        a, b = flow.bend.log_a.detach().exp(), flow.bend.b.detach()
        print(f"{name:8} a = {a.numpy().round(2)}, b = {b.numpy().round(2)}")
    return lacking


if __name__ == "__main__":
    main()
