"""Figures of an autoencoder: codes, reconstructions, and what its latent is used for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from genlab.densities.base import StandardNormal
from genlab.densities.posterior import Posterior
from genlab.evaluation.figures.corner import corner_figure
from genlab.evaluation.figures.images import image_rows_figure
from genlab.evaluation.figures.plane import add_contours
from genlab.evaluation.figures.style import (
    TRUTH,
    Window,
    panels,
    position_colours,
    scatter,
    window_of,
)
from genlab.evaluation.figures.turns import mark_turns
from genlab.models.vae import VAE

__all__ = ["autoencoder_figures", "code_figure", "traversal_figure"]

REACH = 2.5
"""How far a traversal goes to both sides, in standard deviations of the prior."""
PATHS = 40
"""Codes whose paths over the plane are drawn."""


def autoencoder_figures(
    model: VAE,
    x: Float[Tensor, "n *event"],
    context: Shaped[Tensor, "n ..."] | None,
    *,
    window: Window | None,
    names: Sequence[str] | None,
    shown: Sequence[int] | None,
    degrees: bool = False,
    generator: torch.Generator,
) -> dict[str, Figure]:
    """``latent``, ``reconstruction``, ``traversal``, ``latent_kl``; the caller is in `inference`.

    Latent coordinates are shown in the order of their divergence from the prior: those that the
    model makes no use of come last.

    Args:
        model: The autoencoder.
        x: True samples, on the model's device.
        context: The context of each of them.
        window: What to show of data in the plane; None for other data.
        names: Names of the coordinates of a sample.
        shown: Which of them a corner plot shows; None for the first ones.
        degrees: Whether angles are shown in degrees, not in radians.
        generator: Source of randomness, on the model's device.
    """
    posterior = model.encode(x, context)
    kl = posterior.kl().mean(0)
    order = kl.argsort(descending=True)
    mean = posterior.mean
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    draws = posterior.transform(noise[None])[0]
    decoded = model.decode(mean, context)
    drawn = model.observe(draws, context, generator=generator)
    row = None if context is None else context[:1]
    labels = ("data", "reconstructed")
    figures = {
        "latent": code_figure(x, posterior, draws, order),
        "reconstruction": corner_figure(
            x,
            decoded,
            labels=labels,
            names=names,
            shown=shown,
            angles=model.circular,
            degrees=degrees,
        )
        if x.ndim == 2 and window is None
        else _reconstruction(x, decoded, drawn, window),
        "traversal": traversal_figure(model, draws, order, row, window=window),
        "latent_kl": _divergences(kl[order], order),
    }
    if window is not None:
        # Of the codes' figure the first panel alone has data, and that of one code has none.
        latent = figures["latent"].axes[: len(order) > 1]
        of_data = (*latent, *figures["reconstruction"].axes, *figures["traversal"].axes)
        mark_turns(of_data, model.circular, names, degrees=degrees)
    return figures


def _reconstruction(
    x: Float[Tensor, "n *event"],
    mean: Float[Tensor, "n *event"],
    drawn: Float[Tensor, "n *event"],
    window: Window | None,
) -> Figure:
    """Data beside their decoded codes and, in the plane, decoded draws: these should look alike."""
    if x.ndim == 4:
        rows = torch.stack([part[:10] for part in (x, mean, drawn)])
        return image_rows_figure(rows, names=("data", "mean", "draw"))
    assert window is not None
    colours = position_colours(x)
    figure, axes = panels(1, 3, side=4.4)
    titles = ("Data x", "Code decoded, E p(x | z)", "Draw decoded, x ~ p(x | z)")
    for axis, points, title in zip(axes, (x, mean, drawn), titles, strict=True):
        scatter(axis, points, colours, alpha=0.8)
        window.frame(axis)
        axis.set_title(title, fontsize=14)
    return figure


def _divergences(kl: Float[Tensor, " l"], order: Int[Tensor, " l"]) -> Figure:
    """Nats that each latent coordinate tells of x, the busiest first."""
    figure, (axis,) = panels(1, 1, side=4.6)
    heights = np.nan_to_num(kl.cpu().double().numpy())
    axis.bar(np.arange(len(heights)), heights, color=TRUTH, width=0.8)
    if len(order) <= 20:
        axis.set_xticks(range(len(order)), [f"$z_{{{i + 1}}}$" for i in order.tolist()])
    else:
        axis.set_xlabel("latent coordinates, sorted", fontsize=12)
    axis.set_ylabel("KL(q(z | x) || p(z)), nats", fontsize=12)
    axis.set_title(f"Sum {kl.sum().item():.2f} nats", fontsize=14)
    return figure


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


def traversal_figure(
    model: VAE,
    draws: Float[Tensor, "n l"],
    order: Int[Tensor, " l"],
    context: Shaped[Tensor, "1 ..."] | None,
    *,
    window: Window | None,
) -> Figure:
    """The decoded mean along one latent coordinate after the other, in the way of the data.

    Args:
        model: The autoencoder.
        draws: Codes to start from.
        order: The latent coordinates, the busiest first.
        context: One row for all, of a conditional model.
        window: What to show of data in the plane; None for other data.
    """
    if window is not None:
        return _plane(model, draws, order, context, window)
    if model.image:
        return _images(model, order, context)
    return _curves(model, order, context)


def _plane(
    model: VAE,
    draws: Float[Tensor, "n l"],
    order: Int[Tensor, " l"],
    context: Shaped[Tensor, "1 ..."] | None,
    window: Window,
    steps: int = 200,
) -> Figure:
    """The decoded path of one coordinate from end to end, for codes that differ in the others."""
    sweep, draws = torch.linspace(-REACH, REACH, steps).to(draws), draws[:PATHS]
    shown = order[:3].tolist()
    figure, axes = panels(1, len(shown), side=4.4)
    for axis, coordinate in zip(axes, shown, strict=True):
        z = draws.repeat_interleave(steps, 0)
        z[:, coordinate] = sweep.repeat(len(draws))
        path = model.decode(z, context).cpu().double().reshape(-1, steps, 2)
        segments = torch.stack([path[:, :-1], path[:, 1:]], 2).reshape(-1, 2, 2)
        # An angle that passes the cut goes on at the other side.
        steps_of_angles = segments.diff(dim=1)[:, 0, list(model.circular)]
        kept = (steps_of_angles.abs() < math.pi).all(1)
        collection = LineCollection(
            list(segments[kept].numpy()),
            array=sweep[1:].cpu().repeat(len(path))[kept].numpy(),
            cmap="viridis",
            linewidths=1.0,
            alpha=0.7,
            rasterized=True,
        )
        axis.add_collection(collection, autolim=False)
        window.frame(axis)
        axis.set_title(f"$z_{{{coordinate + 1}}}$ from {-REACH} (dark) to {REACH}", fontsize=14)
    return figure


def _curves(
    model: VAE, order: Int[Tensor, " l"], context: Shaped[Tensor, "1 ..."] | None, steps: int = 100
) -> Figure:
    """Five coordinates of the decoded mean as functions of one latent, the others at 0."""
    shown = order[:4].tolist()
    figure, axes = panels(1, len(shown), side=3.6)
    for axis, coordinate in zip(axes, shown, strict=True):
        sweep, x = _sweep(model, coordinate, context, steps)
        for number, values in enumerate(x.flatten(1)[:, :5].T.tolist(), 1):
            axis.plot(sweep, values, label=f"$x_{{{number}}}$")
        axis.set_xlabel(f"$z_{{{coordinate + 1}}}$", fontsize=12)
    axes[0].set_title("Decoded mean", fontsize=14)
    axes[0].legend(fontsize=10, frameon=False)
    return figure


def _images(
    model: VAE,
    order: Int[Tensor, " l"],
    context: Shaped[Tensor, "1 ..."] | None,
    *,
    most: int = 8,
    steps: int = 11,
) -> Figure:
    """Decoded images along one latent a row, the others at 0."""
    shown = order[:most].tolist()
    rows = [_sweep(model, coordinate, context, steps)[1] for coordinate in shown]
    names = [f"$z_{{{coordinate + 1}}}$" for coordinate in shown]
    title = f"Decoded mean, a coordinate from {-REACH} (left) to {REACH}"
    return image_rows_figure(torch.stack(rows), names=names, title=title)


def _sweep(
    model: VAE, coordinate: int, context: Shaped[Tensor, "1 ..."] | None, steps: int
) -> tuple[Float[np.ndarray, " s"], Float[Tensor, "s *event"]]:
    """Values of one latent coordinate, and what they are decoded to where the others are 0."""
    sweep = torch.linspace(-REACH, REACH, steps)
    z = torch.zeros(steps, model.latent_dim)
    z[:, coordinate] = sweep
    return sweep.numpy(), model.decode(z.to(model.device), context).cpu()
