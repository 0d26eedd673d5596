"""The figures of a model: one layout for every family."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Shaped
from matplotlib.figure import Figure
from torch import Tensor

from genlab.densities.density import Density
from genlab.densities.inference import draw_samples, inference, spawn
from genlab.evaluation.figures.autoencoder import autoencoder_figures
from genlab.evaluation.figures.corner import corner_figure
from genlab.evaluation.figures.deformation import deformation_figure
from genlab.evaluation.figures.images import (
    image_samples,
    interpolation_figure,
    sample_grid,
    super_resolution_figure,
)
from genlab.evaluation.figures.paths import paths_figure
from genlab.evaluation.figures.plane import density_figure, latent_figure, sample_figure
from genlab.evaluation.figures.style import Window, window_of
from genlab.evaluation.importance import resampled
from genlab.evaluation.sampling import bijection_of
from genlab.models.continuous import ContinuousFlow
from genlab.models.vae import VAE
from genlab.runs.files import atomic_path
from genlab.targets.target import Target

__all__ = ["draw", "save_figures"]


def draw(
    model: Density,
    *,
    target: Target | None,
    samples: Float[Tensor, "k *event"] | None,
    generator: torch.Generator,
    bound: float | None = None,
    context: Shaped[Tensor, "k ..."] | None = None,
    names: Sequence[str] | None = None,
    training: Float[Tensor, "m *event"] | None = None,
    enlarges: bool = False,
    n: int = 5000,
) -> dict[str, Figure]:
    """The figures that apply to a model, by name, in data units.

    In the plane: ``density`` (true, model, difference), ``samples`` (true, model, both), for a flow
    ``latent`` and ``deformation``, and for a continuous one ``paths``. In other dimensions: corner
    plots of the first five coordinates, ``samples`` and, for a flow, ``latent``. Of images:
    ``samples`` beside their nearest training images, ``interpolation`` between codes, and
    ``super_resolution`` where small images are given. An autoencoder has ``latent``,
    ``reconstruction``, ``traversal`` and ``latent_kl``, of images too. A conditional model has
    the figures of samples and latent, under the contexts that the true samples came with. Where
    there are no true samples, the model's own stand for them, resampled by their weights under the
    target, and ``latent`` is left out.

    Args:
        model: The density to show.
        target: What it should be, or None where it is known by ``samples`` only.
        samples: True samples, on any device; None where there are none, but an energy.
        generator: Source of randomness, on any device.
        bound: Half the side of the square shown in the plane; the target's if None, and without a
            target the window follows the samples.
        context: The context of each true sample, for a conditional model.
        names: Names of the coordinates in corner plots.
        training: Images that were trained on, on the CPU.
        enlarges: Whether the contexts are small images.
        n: Number of points in a cloud, at most.
    """
    everything, kind = samples, "True"
    if samples is None:
        assert target is not None
        samples, kind = resampled(model, target, n, generator=generator), "Reweighted"
    samples = samples[:n].to(model.device, model.dtype)
    context = None if context is None else context[:n].to(model.device)
    plane = model.event_shape == (2,)
    if bound is None and target is not None:
        bound = target.bound
    window = window_of(samples, bound=bound) if plane else None
    figures: dict[str, Figure] = {}
    with inference(model, generator):
        if window is not None and context is None:
            size = min(200, math.isqrt(model.test_samples))
            figures["density"] = density_figure(
                model, target, window=window, samples=everything, size=size
            )
        if len(model.event_shape) == 1:
            drawn = draw_samples(model, len(samples), context, generator=generator)
            figures["samples"] = _samples(samples, drawn, kind, window, names)
        if len(model.event_shape) == 3:
            figures |= _image_figures(
                model, samples, context, training, enlarges=enlarges, generator=generator
            )
        if isinstance(model, VAE):
            source = spawn(generator, model.device)
            figures |= autoencoder_figures(model, samples, context, window=window, generator=source)
        elif len(model.event_shape) == 1:
            figures |= _flow_figures(model, samples, context, window=window, generator=generator)
    if kind != "True":
        # Where the model's own samples go in the latent tells nothing.
        figures.pop("latent", None)
    return figures


def _samples(
    truth: Float[Tensor, "n d"],
    drawn: Float[Tensor, "n d"],
    kind: str,
    window: Window | None,
    names: Sequence[str] | None,
) -> Figure:
    if window is not None:
        return sample_figure(truth, drawn, window=window, kind=kind)
    labels = (f"{kind.lower()} samples", "model samples")
    return corner_figure(truth, drawn, labels=labels, names=names)


def _image_figures(
    model: Density,
    x: Float[Tensor, "n c h w"],
    context: Shaped[Tensor, "n ..."] | None,
    training: Float[Tensor, "m c h w"] | None,
    *,
    enlarges: bool,
    generator: torch.Generator,
) -> dict[str, Figure]:
    grid, _ = sample_grid(model, context, generator=generator)
    figures = {"samples": image_samples(grid, training)}
    interpolation = interpolation_figure(model, x, context)
    if interpolation is not None:
        figures["interpolation"] = interpolation
    if enlarges:
        assert context is not None
        figures["super_resolution"] = super_resolution_figure(
            model, x, context, generator=generator
        )
    return figures


def _flow_figures(
    model: Density,
    x: Float[Tensor, "n d"],
    context: Shaped[Tensor, "n ..."] | None,
    *,
    window: Window | None,
    generator: torch.Generator,
) -> dict[str, Figure]:
    """Where a flow sends the data, and how it carries its base to them; nothing for others."""
    bijection, base = bijection_of(model), getattr(model, "base", None)
    if bijection is None or not isinstance(base, Density):
        return {}
    z, _ = bijection(x, model.context_encoder(context, len(x), x.dtype))
    base_samples = draw_samples(base, len(x), generator=generator)
    if window is None:
        labels = ("data in the latent", "base")
        return {"latent": corner_figure(z, base_samples, labels=labels, symbol="z")}
    figures = {"latent": latent_figure(x, z, base_samples, base, window=window)}
    if context is None:
        figures["deformation"] = deformation_figure(bijection, base, base_samples, window=window)
        if isinstance(model, ContinuousFlow):
            figures["paths"] = paths_figure(model, generator=generator)
    return figures


def save_figures(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write each figure as the PNG file of its name, and return the paths."""
    paths = [folder / f"{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=150)
    return paths
