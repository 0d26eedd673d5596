"""The figures of a model: one layout for every family."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from matplotlib.figure import Figure
from torch import Tensor

from genlab.bijections.bijection import Bijection
from genlab.densities.density import Density
from genlab.evaluation.figures.corner import corner_figure
from genlab.evaluation.figures.deformation import deformation_figure, stages
from genlab.evaluation.figures.density import density_figure
from genlab.evaluation.figures.latent import latent_figure
from genlab.evaluation.figures.paths import paths_figure
from genlab.evaluation.figures.samples import sample_figure
from genlab.evaluation.figures.window import Window, window_of
from genlab.evaluation.inference import draw_samples, inference, log_probs
from genlab.evaluation.inversion import bijection_of
from genlab.models.continuous import ContinuousFlow
from genlab.targets.target import Target

__all__ = ["draw"]


def draw(
    model: Density,
    *,
    target: Target | None,
    samples: Float[Tensor, "k *event"],
    generator: torch.Generator,
    bound: float | None = None,
    context: Shaped[Tensor, "k ..."] | None = None,
    names: Sequence[str] | None = None,
    n: int = 5000,
) -> dict[str, Figure]:
    """The figures that apply to a model, by name, in data units.

    In the plane: ``density`` (true, model, difference), ``samples`` (true, model, both), for a flow
    ``latent`` and ``deformation``, and for a continuous one ``paths``. In other dimensions: corner
    plots of the first five coordinates, ``samples`` and, for a flow, ``latent``. A conditional
    model has the figures of samples and latent, under the contexts that the true samples came
    with. Samples that are not vectors have no figures here.

    Args:
        model: The density to show.
        target: What it should be, or None where it is known by ``samples`` only.
        samples: True samples, on any device.
        generator: Source of randomness, on any device.
        bound: Half the side of the square shown in the plane; the target's if None, and without a
            target the window follows the samples.
        context: The context of each true sample, for a conditional model.
        names: Names of the coordinates in corner plots.
        n: Number of points in a cloud, at most.
    """
    if len(model.event_shape) != 1:
        return {}
    everything = samples
    samples = samples[:n].to(model.device, model.dtype)
    context = None if context is None else context[:n].to(model.device)
    plane = model.event_shape == (2,)
    bijection = bijection_of(model)
    figures: dict[str, Figure] = {}
    with inference(model, generator):
        drawn = draw_samples(model, len(samples), context, generator=generator)
        if plane:
            if bound is None and target is not None:
                bound = target.bound
            window = window_of(samples, bound=bound)
            if context is None:
                size = min(200, math.isqrt(model.test_samples))
                figures["density"] = density_figure(
                    model, target, window=window, samples=everything, size=size
                )
            figures["samples"] = sample_figure(samples, drawn, window=window)
        else:
            labels = ("true samples", "model samples")
            figures["samples"] = corner_figure(samples, drawn, labels=labels, names=names)
        base = getattr(model, "base", None)
        if bijection is None or not isinstance(base, Density):
            return figures
        encoded = model.context_encoder(context, len(samples), samples.dtype)
        z, _ = bijection(samples, encoded)
        base_samples = draw_samples(base, len(samples), generator=generator)
        if plane:
            figures["latent"] = latent_figure(samples, z, base_samples, base, window=window)
            if context is None:
                figures["deformation"] = _deformation(bijection, base, base_samples, window)
                if isinstance(model, ContinuousFlow):
                    figures["paths"] = paths_figure(model, generator=generator)
        else:
            labels = ("data in the latent", "base")
            figures["latent"] = corner_figure(z, base_samples, labels=labels, symbol="z")
    return figures


def _deformation(
    bijection: Bijection, base: Density, z: Float[Tensor, "n 2"], window: Window
) -> Figure:
    lines, per_line = _lines(window_of(z, square=True))
    log_p = log_probs(base, lines)
    return deformation_figure(
        stages(bijection, z),
        stages(bijection, lines.to(z)),
        (0.5 * (log_p - log_p.max())).exp(),
        per_line=per_line,
        window=window,
    )


def _lines(
    window: Window, *, count: int = 13, per_line: int = 250
) -> tuple[Float[Tensor, "m 2"], int]:
    """Horizontal and vertical lines over a window, point by point, and the points on each."""
    across = torch.linspace(window.left, window.right, per_line, dtype=torch.float64)
    up = torch.linspace(window.bottom, window.top, per_line, dtype=torch.float64)
    x = torch.linspace(window.left, window.right, count, dtype=torch.float64)
    y = torch.linspace(window.bottom, window.top, count, dtype=torch.float64)
    horizontal = torch.cartesian_prod(y, across).flip(1)
    vertical = torch.cartesian_prod(x, up)
    return torch.cat([horizontal, vertical]), per_line
