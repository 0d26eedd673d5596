"""What one would write by hand: bare loops over the same networks, and the bare matrix products."""

from __future__ import annotations

import math

import torch
from torch import nn

from benchmarks.cells import Cell
from benchmarks.ours import model_of
from benchmarks.work import Work, adam_step
from genlab.nn import wrap

__all__ = ["build"]


def build(cell: Cell, contestant: str) -> Work:
    if contestant == "products":
        return products(cell)
    loops = {"vae": vae, "torus": torus, "flow-matching": flow_matching, "fields": flow_matching}
    return loops[cell.family](cell)


def products(cell: Cell) -> Work:
    """The matrix products of a step, forward and backward."""
    pairs = []
    for layer in model_of(cell).modules():
        if isinstance(layer, nn.Linear):
            x = torch.randn(cell.batch, layer.in_features)
            g = torch.randn(cell.batch, layer.out_features)
            w = layer.weight.detach()
            pairs += [(x, w.mT), (g.mT, x), (g, w)]

    def step() -> None:
        for a, b in pairs:
            torch.mm(a, b)

    return Work(step)


def _times(n: int) -> torch.Tensor:
    """Those that genlab's objective draws."""
    return torch.sigmoid(1.0 + 1.3 * torch.randn(n))


def flow_matching(cell: Cell) -> Work:
    """Straight paths from the normal density, and the regression on their speed."""
    model = model_of(cell)
    network, x = model.network, torch.randn(cell.batch, *model.event_shape)
    ones = [1] * len(model.event_shape)

    def loss() -> torch.Tensor:
        source, t = torch.randn_like(x), _times(len(x))
        speed = x - source
        return (network(source + t.view(-1, *ones) * speed, t) - speed).square().mean()

    return adam_step(network, loss)


def torus(cell: Cell) -> Work:
    """Geodesics from the uniform density, and the regression on their speed."""
    network = model_of(cell).network
    x = math.pi * (2 * torch.rand(cell.batch, cell.dim) - 1)

    def loss() -> torch.Tensor:
        source, t = math.pi * (2 * torch.rand_like(x) - 1), _times(len(x))
        speed = wrap(x - source)
        v = network(wrap(source + t[:, None] * speed), t, None)
        return (v - speed).square().mean()

    return adam_step(network, loss)


def vae(cell: Cell) -> Work:
    """Encoder and decoder of three layers of 64, a diagonal posterior, and the ELBO of one draw."""
    latent = min(cell.dim, 16)

    def network(inputs: int, outputs: int) -> nn.Sequential:
        hidden = [nn.Linear(inputs, 64), nn.SiLU()]
        for _ in range(2):
            hidden += [nn.Linear(64, 64), nn.SiLU()]
        return nn.Sequential(*hidden, nn.Linear(64, outputs))

    encoder, decoder = network(cell.dim, 2 * latent), network(latent, 2 * cell.dim)
    x = torch.randn(cell.batch, cell.dim)

    def loss() -> torch.Tensor:
        mean, log_scale = encoder(x).chunk(2, 1)
        z = mean + log_scale.exp() * torch.randn_like(mean)
        centre, log_width = decoder(z).chunk(2, 1)
        misfit = (((x - centre) / log_width.exp()).square() / 2 + log_width).sum(1)
        kl = ((mean.square() + (2 * log_scale).exp() - 1) / 2 - log_scale).sum(1)
        return (misfit + kl).mean()

    return adam_step(nn.ModuleList([encoder, decoder]), loss)
