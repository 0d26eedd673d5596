"""What an autoencoder has learned: codes, reconstructions, and what its latent is used for."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from matplotlib.figure import Figure
from torch import Tensor

from genlab.evaluation.figures.codes import code_figure
from genlab.evaluation.figures.corner import corner_figure
from genlab.evaluation.figures.image_rows import image_rows_figure
from genlab.evaluation.figures.style import TRUTH, panels, position_colours, scatter
from genlab.evaluation.figures.traversal import traversal_figure
from genlab.evaluation.figures.window import Window
from genlab.models.vae import VAE

__all__ = ["autoencoder_figures"]


def autoencoder_figures(
    model: VAE,
    x: Float[Tensor, "n *event"],
    context: Shaped[Tensor, "n ..."] | None,
    *,
    window: Window | None,
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
    return {
        "latent": code_figure(x, posterior, draws, order),
        "reconstruction": _reconstruction(x, decoded, drawn, window),
        "traversal": traversal_figure(model, draws, order, row, window=window),
        "latent_kl": _divergences(kl[order], order),
    }


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
    if window is None:
        labels = ("true samples", "reconstructed")
        return corner_figure(x.flatten(1), mean.flatten(1), labels=labels)
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
