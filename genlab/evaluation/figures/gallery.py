"""The figures of a model: one layout for every family, and room for a family's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from matplotlib.figure import Figure
from matplotlib.image import imsave
from torch import Tensor

from genlab.batch import Batch
from genlab.densities.density import Density
from genlab.densities.inference import draw_samples, inference, spawn
from genlab.errors import UserError, nearest
from genlab.evaluation.calibration import calibrate
from genlab.evaluation.figures.autoencoder import autoencoder_figures
from genlab.evaluation.figures.calibration import calibration_figure
from genlab.evaluation.figures.corner import corner_figure
from genlab.evaluation.figures.deformation import deformation_figure
from genlab.evaluation.figures.field_statistics import statistics_figures
from genlab.evaluation.figures.fields import (
    enlarged_fields_figure,
    field_paths_figure,
    fields_figure,
    painter,
)
from genlab.evaluation.figures.images import (
    image_samples,
    interpolation_figure,
    mosaic,
    sample_grid,
    super_resolution_figure,
)
from genlab.evaluation.figures.paths import paths_figure
from genlab.evaluation.figures.pixels import encode_png, figure_to_image
from genlab.evaluation.figures.plane import density_figure, latent_figure, sample_figure
from genlab.evaluation.figures.style import MODEL, Window, panels, scatter, window_of
from genlab.evaluation.figures.turns import TURN, mark_turns, with_turns
from genlab.evaluation.importance import drawn_by_weight, log_partition, resampled, weighted_samples
from genlab.fields.statistics import Quantity
from genlab.runs.files import atomic_path
from genlab.targets.target import Target

__all__ = ["Scene", "draw", "draws", "save_figures", "save_samples"]

FIELDS = 500
"""Of each sort, behind the curves of a figure: a model that follows an ODE draws some a second."""

DPI = 150
"""Pixels an inch of a file."""

CELLS, ANGLE_CELLS = 200, 180
"""Grid points a side of a density; of angles one every two degrees, as tables have them."""


@dataclass(frozen=True)
class Scene:
    """A model to draw, and what it should be.

    >>> import genlab
    >>> model, x = genlab.models.NICE(2), torch.rand(5, 2)
    >>> scene = Scene(model, None, x, None, torch.Generator(), rows=Batch(x))
    >>> scene.kind, scene.vectors, scene.base_samples.shape
    ('True', True, torch.Size([5, 2]))

    Attributes:
        model: The density, in evaluation mode and without gradients; its family is one that names
            the figure among its `Density.figures`.
        target: What it should be, or None where it is known by samples only.
        x: A cloud of true samples in data units, on the model's device, drawn by weight.
        context: The context of each of them, for a conditional model.
        generator: Source of randomness.
        kind: The word for ``x``: true samples, weighted ones, or unweighted where some weights are
            negative, by which nothing is drawn; reweighted where it is the model's own.
        window: What to show of data in the plane; None for other data.
        rows: All true samples, with their context and weight; None where there are none.
        names: Names of the coordinates.
        shown: Which of them corner plots show, from 0; None for the first ones.
        degrees: Whether angles are shown in degrees, not in radians.
        training: Images that were trained on, on the CPU.
        enlarges: Whether the contexts are small images.
        quantity: What the numbers of a field are; None for data that are no fields.
    """

    model: Any
    target: Target | None
    x: Float[Tensor, "n *event"]
    context: Shaped[Tensor, "n ..."] | None
    generator: torch.Generator
    kind: str = "True"
    window: Window | None = None
    rows: Batch | None = None
    names: Sequence[str] | None = None
    shown: Sequence[int] | None = None
    degrees: bool = False
    training: Float[Tensor, "m *event"] | None = None
    enlarges: bool = False
    quantity: Quantity | None = None

    @property
    def latent_window(self) -> Window | None:
        """The window of the latent in the plane, where it is a torus; None where it is not."""
        return Window(*TURN, *TURN) if len(self.model.circular) == 2 else None

    def marked(self, figure: Figure) -> Figure:
        """A figure of data in the plane, with whole turns of the coordinates that are angles."""
        mark_turns(figure.axes, self.model.circular, self.names, degrees=self.degrees)
        return figure

    @property
    def vectors(self) -> bool:
        """Whether a sample is a vector."""
        return len(self.model.event_shape) == 1

    @property
    def log_z(self) -> float | None:
        """The constant of a target that does not know it, by the model's own weighted samples."""
        target = self.target
        if target is None or not target.has_energy or target.has_density:
            return None
        if self.model.likelihood != "exact":
            return None
        samples = weighted_samples(self.model, target, len(self.x), generator=self.generator)
        return log_partition(samples.log_weight).value

    @cached_property
    def base_samples(self) -> Float[Tensor, "n *event"]:
        """As many samples of a flow's base, the same ones in each of its figures."""
        return draw_samples(self.model.base, len(self.x), generator=self.generator)


Drawing = Callable[[Scene], Figure | Mapping[str, Figure] | None]

FIGURES: dict[str, Drawing] = {}
"""What draws each figure that a family may name."""


def draws(name: str) -> Callable[[Drawing], Drawing]:
    """Let families draw a figure by the decorated function, under ``name``.

    It takes a `Scene` and gives a figure, or several by their names, or None where the data do not
    allow it. A family has it drawn by ``figures = (*Flow.figures, name)``.
    """

    def register(drawing: Drawing) -> Drawing:
        FIGURES[name] = drawing
        return drawing

    return register


def draw(
    model: Density,
    *,
    target: Target | None,
    samples: Float[Tensor, "k *event"] | None,
    generator: torch.Generator,
    bound: float | None = None,
    context: Shaped[Tensor, "k ..."] | None = None,
    weight: Float[Tensor, " k"] | None = None,
    names: Sequence[str] | None = None,
    shown: Sequence[int] | None = None,
    degrees: bool = False,
    training: Float[Tensor, "m *event"] | None = None,
    enlarges: bool = False,
    quantity: Quantity | None = None,
    n: int = 5000,
) -> dict[str, Figure]:
    """The figures that a model names and the data allow, by name, in data units.

    In the plane: ``density`` (true, model, difference), ``samples`` (true, model, both), for a flow
    ``latent`` and ``deformation``, and for a continuous one ``paths``. In other dimensions: corner
    plots of five coordinates, ``samples`` and, for a flow, ``latent``. Of images:
    ``samples`` beside their nearest training images, ``interpolation`` between codes, and
    ``super_resolution`` where small images are given. Of fields: ``samples``, ``spectrum``,
    ``densities`` and of a flow ``flux``, true ones beside the model's, ``super_resolution``, and
    ``paths`` of a continuous model. An autoencoder has ``latent``,
    ``reconstruction``, ``traversal`` and ``latent_kl``, of images too. A conditional model has
    the figures of samples and latent, under the contexts that the true samples came with, and of
    vectors ``calibration`` (`calibration_figure`). Where there are no true samples, the model's own
    stand for them, resampled by their weights under the target, and ``latent`` is left out.

    Args:
        model: The density to show.
        target: What it should be, or None where it is known by ``samples`` only.
        samples: True samples, on any device; None where there are none, but an energy.
        generator: Source of randomness, on any device.
        bound: Half the side of the square shown in the plane; the target's if None, and without a
            target the window follows the samples.
        context: The context of each true sample, for a conditional model.
        weight: How much each true sample counts; None where all count the same.
        names: Names of the coordinates in corner plots.
        shown: Which coordinates of a sample these show, from 0; the first five if None, of angles
            the first seven.
        degrees: Whether angles are shown in degrees, not in radians.
        training: Images that were trained on, on the CPU.
        enlarges: Whether the contexts are small images.
        quantity: What the numbers of a field are; None for data that are no fields.
        n: Number of points in a cloud, at most.

    Raises:
        UserError: The model names a figure that nothing draws.
    """
    rows = None if samples is None else Batch(samples, context, weight)
    if rows is None:
        assert target is not None
        cloud, kind = Batch(resampled(model, target, n, generator=generator)), "Reweighted"
    elif weight is None or (weight < 0).any():
        cloud, kind = rows.rows(slice(n)), "True" if weight is None else "Unweighted"
    else:
        chosen = drawn_by_weight(weight, min(n, len(weight)), generator=generator)
        cloud, kind = rows.rows(chosen.to(rows.x.device)), "Weighted"
    x, given, _ = cloud.cast(model.device, model.dtype)
    if bound is None and target is not None:
        bound = target.bound
    window = None
    if model.event_shape == (2,):
        window = with_turns(window_of(x, bound=bound), model.circular)
    scene = Scene(
        model,
        target,
        x,
        given,
        generator,
        kind=kind,
        window=window,
        rows=rows,
        names=names,
        shown=shown,
        degrees=degrees,
        training=training,
        enlarges=enlarges,
        quantity=quantity,
    )
    figures: dict[str, Figure] = {}
    with inference(model, generator):
        for name in model.figures:
            if name not in FIGURES:
                raise UserError(
                    f"{type(model).__name__}.figures: nothing draws {name!r}; "
                    f"{nearest(name, FIGURES)}"
                )
            drawn = FIGURES[name](scene)
            figures |= {name: drawn} if isinstance(drawn, Figure) else drawn or {}
    if samples is None:
        # Where the model's own samples go in the latent tells nothing.
        figures.pop("latent", None)
    return figures


@draws("density")
def _density(scene: Scene) -> Figure | None:
    if scene.window is None or scene.context is not None:
        return None
    angles, size = len(scene.model.circular) == 2, min(CELLS, math.isqrt(scene.model.test_samples))
    if angles:
        size = ANGLE_CELLS // math.ceil(ANGLE_CELLS / size)
    figure = density_figure(
        scene.model,
        scene.target,
        window=scene.window,
        samples=None if scene.rows is None else scene.rows.x,
        weight=None if scene.rows is None else scene.rows.weight,
        size=size,
        log_z=scene.log_z,
        shares=angles and scene.degrees,
    )
    return scene.marked(figure)


@draws("samples")
def _samples(scene: Scene) -> Figure | Mapping[str, Figure] | None:
    model, x, context = scene.model, scene.x, scene.context
    if scene.quantity is not None:
        x, few = x[:FIELDS], None if context is None else context[:FIELDS]
        drawn = draw_samples(model, len(x), few, generator=scene.generator)
        figures = statistics_figures(x, drawn, scene.quantity)
        return {"samples": fields_figure(x, drawn, scene.quantity), **figures}
    if model.image:
        grid, _ = sample_grid(model, context, generator=scene.generator)
        return image_samples(grid, scene.training)
    if not scene.vectors:
        return None
    drawn = draw_samples(model, len(x), context, generator=scene.generator)
    if scene.window is not None:
        return scene.marked(sample_figure(x, drawn, window=scene.window, kind=scene.kind))
    return corner_figure(
        x,
        drawn,
        labels=(f"{scene.kind.lower()} samples", "model samples"),
        names=scene.names,
        shown=scene.shown,
        angles=model.circular,
        degrees=scene.degrees,
    )


@draws("calibration")
def _calibration(scene: Scene) -> Figure | None:
    """The figure of how sure the model is and may be."""
    if not scene.vectors or scene.rows is None or scene.rows.context is None:
        return None
    found = calibrate(scene.model, scene.rows, generator=scene.generator)
    if found is None:
        return None
    return calibration_figure(found, names=scene.names, shown=scene.shown)


@draws("interpolation")
def _interpolation(scene: Scene) -> Figure | None:
    if not scene.model.image:
        return None
    paint = None if scene.quantity is None else painter(scene.x, scene.quantity)
    return interpolation_figure(scene.model, scene.x, scene.context, paint=paint)


@draws("super_resolution")
def _super_resolution(scene: Scene) -> Figure | None:
    if not scene.enlarges:
        return None
    model, x, context = scene.model, scene.x, scene.context
    assert context is not None
    if scene.quantity is not None:
        return enlarged_fields_figure(model, x, context, scene.quantity, generator=scene.generator)
    return super_resolution_figure(model, x, context, generator=scene.generator)


@draws("autoencoder")
def _autoencoder(scene: Scene) -> Mapping[str, Figure]:
    source = spawn(scene.generator, scene.model.device)
    return autoencoder_figures(
        scene.model,
        scene.x,
        scene.context,
        window=scene.window,
        names=scene.names,
        shown=scene.shown,
        degrees=scene.degrees,
        generator=source,
    )


@draws("latent")
def _latent(scene: Scene) -> Figure | None:
    """The figure of where a flow sends the data."""
    if not scene.vectors:
        return None
    model, x = scene.model, scene.x
    z, _ = model.bijection(x, model.context_encoder(scene.context, len(x), x.dtype))
    if model.door is not None:  # a way may have gone round
        z = model.door.encode(z)
    if scene.window is None:
        labels = ("data in the latent", "base")
        return corner_figure(
            z, scene.base_samples, labels=labels, symbol="z", angles=model.circular
        )
    figure = latent_figure(
        x, z, scene.base_samples, model.base, window=scene.window, latent=scene.latent_window
    )
    left, *others = figure.axes
    mark_turns([left], model.circular, scene.names, degrees=scene.degrees)
    mark_turns(others, model.circular, degrees=False)
    return figure


@draws("deformation")
def _deformation(scene: Scene) -> Figure | None:
    """The figure of a flow's way from its base to the data."""
    if scene.window is None or scene.context is not None:
        return None
    model = scene.model
    figure = deformation_figure(
        model.bijection,
        model.base,
        scene.base_samples,
        window=scene.window,
        others=scene.latent_window,
    )
    mark_turns(figure.axes, model.circular, degrees=scene.degrees)
    return figure


@draws("paths")
def _paths(scene: Scene) -> Figure | None:
    model, x, context = scene.model, scene.x, scene.context
    if scene.quantity is not None:
        return field_paths_figure(model, x, context, scene.quantity, generator=scene.generator)
    if scene.window is None or context is not None:
        return None
    return paths_figure(model, generator=scene.generator, degrees=scene.degrees)


def save_figures(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write each figure as the PNG file of its name, and return the paths."""
    paths = [folder / f"{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        figure.set_dpi(DPI)
        with atomic_path(path) as temporary:
            temporary.write_bytes(encode_png(figure_to_image(figure), dpi=DPI))
    return paths


def save_samples(
    x: Float[Tensor, "n *event"], path: Path, *, quantity: Quantity | None = None
) -> None:
    """Write samples as a picture: points of the plane, or images or fields in a square of rows.

    Images are shown pixel by pixel, each one enlarged to a square that can be seen.

    Args:
        x: Points ``[n, 2]``, images ``[n, c, h, w]`` with values in [0, 1], or fields.
        path: Where to.
        quantity: What the numbers of a field are; None for others.
    """
    if x.ndim == 4:
        pictures = x if quantity is None else painter(x, quantity)(x)
        image = mosaic(pictures, columns=math.ceil(math.sqrt(len(x))))
        zoom = max(1, 512 // max(image.shape[:2]))
        image = image.repeat(zoom, 0).repeat(zoom, 1)
        imsave(path, np.ascontiguousarray(image), cmap="gray", vmin=0, vmax=1)
        return
    figure, (axis,) = panels(1, 1, side=6.0)
    scatter(axis, x, MODEL)
    window_of(x, square=True).frame(axis)
    figure.savefig(path)
