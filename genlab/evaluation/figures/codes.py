"""Where an encoder sends the data."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from torch import Tensor

from genlab.densities.base import StandardNormal
from genlab.evaluation.figures.corner import corner_figure
from genlab.evaluation.figures.latent import add_contours
from genlab.evaluation.figures.style import panels, position_colours, scatter
from genlab.evaluation.figures.window import window_of
from genlab.models.posterior import Posterior

__all__ = ["code_figure"]


def code_figure(
    x: Float[Tensor, "n *event"],
    posterior: Posterior,
    draws: Float[Tensor, "n l"],
    order: Int[Tensor, " l"],
) -> Figure:
    """Codes and draws of the encoder in its two busiest coordinates, with contours of the prior.

    A point keeps its colour, which tells where in the data it lies. Together the draws should fill
    the prior: where they leave holes, samples of the model are decoded from what it never saw.

    Args:
        x: True samples.
        posterior: What the encoder answers to them.
        draws: A draw of it for each of them.
        order: The latent coordinates, the busiest first.
    """
    prior_draws = torch.randn(5000, 2, generator=torch.Generator().manual_seed(0))
    if len(order) == 1:
        labels = ("draws of the encoder", "prior")
        return corner_figure(draws, prior_draws[:, :1], labels=labels, symbol="z")
    first, second = order[:2].tolist()
    flat = _plane_of(x.flatten(1))
    colours = position_colours(flat)
    shown = window_of(prior_draws, square=True, margin=0.14)
    figure, axes = panels(1, 3, side=4.4)
    scatter(axes[0], flat, colours, alpha=0.8)
    window_of(flat).frame(axes[0])
    axes[0].set_title("Data x" if x[0].numel() == 2 else "Data x, principal axes", fontsize=14)
    for axis, points, title in (
        (axes[1], posterior.mean, "Codes, means of q(z | x)"),
        (axes[2], draws, "Draws of q(z | x), prior"),
    ):
        scatter(axis, points[:, [first, second]], colours, alpha=0.8)
        add_contours(axis, StandardNormal((2,)), prior_draws, shown)
        shown.frame(axis)
        axis.set_xlabel(f"$z_{{{first + 1}}}$", fontsize=12)
        axis.set_ylabel(f"$z_{{{second + 1}}}$", fontsize=12)
        axis.set_title(title, fontsize=14)
    return figure


def _plane_of(x: Float[Tensor, "n d"]) -> Float[Tensor, "n 2"]:
    """Points of the plane as they are, others in their two principal axes."""
    x = x.detach().cpu().double()
    if x.shape[1] == 2:
        return x
    centred = torch.nan_to_num(x - x.mean(0))
    if x.shape[1] == 1:
        return torch.cat([centred, torch.zeros_like(centred)], 1)
    _, axes = torch.linalg.eigh(centred.T @ centred)
    scores: Tensor = centred @ axes[:, -2:].flip(1)
    return scores
