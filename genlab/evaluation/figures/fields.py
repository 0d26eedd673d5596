"""Fields in colours: true and generated ones, from noise to a field, and enlarged ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from genlab.densities.density import Density
from genlab.densities.inference import draw_samples, inference, spawn
from genlab.evaluation.ensembles import ensemble
from genlab.evaluation.figures.images import show_mosaic
from genlab.evaluation.figures.paths import FRAMES, REST, SECONDS, to_data
from genlab.evaluation.figures.style import DENSITY, DIFFERENCE, add_colourbar, panels
from genlab.evaluation.images import enlarged
from genlab.fields.statistics import Quantity, vorticity
from genlab.models.continuous import ContinuousFlow

__all__ = [
    "Colours",
    "Paint",
    "animate_fields",
    "enlarged_fields_figure",
    "field_panel",
    "field_paths_figure",
    "fields_figure",
    "named",
    "painter",
    "shown",
]

SIDE = 3
"""Rows and columns of fields beside each other."""
PIXELS = 96
"""Of a side of a field, at least, unless it has more points."""
STAGES = 6
MEMBERS = 32
"""Samples behind a mean and a spread."""


def shown(x: Float[Tensor, "b c n m"], quantity: Quantity) -> Float[Tensor, "b n m"]:
    """The part of fields that is seen: the vorticity of a flow, the first channel of others."""
    x = x.detach().cpu().double()
    return vorticity(x) if quantity == "velocity" else x[:, 0]


def named(x: Float[Tensor, "b c n m"], quantity: Quantity) -> str:
    """Fields by the name of what is drawn of them.

    >>> named(torch.ones(1, 2, 4, 4), "velocity"), named(torch.ones(1, 3, 4, 4), "scalar")
    ('vorticity', 'channel 1 of 3')
    """
    if quantity != "scalar":
        return "vorticity"
    return f"channel 1 of {x.shape[1]}" if x.shape[1] > 1 else "fields"


@dataclass(frozen=True)
class Colours:
    """One scale of colours for fields: about white where they have both signs.

    >>> colours = Colours.of(torch.tensor([[[-2.0, 1.0], [0.5, 3.0]]]))
    >>> colours.low == -colours.high, colours.paint(torch.zeros(1, 2, 2)).shape
    (True, torch.Size([1, 3, 96, 96]))

    Attributes:
        low: The value at one end.
        high: The value at the other one.
        palette: The colours from one to the other.
    """

    low: float
    high: float
    palette: Colormap

    @classmethod
    def of(cls, w: Float[Tensor, "b n m"]) -> Colours:
        """The scale that holds all but the most extreme of these values."""
        values = w.flatten()[: 2**20].double()
        low, high = torch.quantile(values, values.new_tensor([0.002, 0.998])).tolist()
        if low < 0 < high:
            high = max(-low, high)
            return cls(-high, high, DIFFERENCE)
        return cls(low, high if high > low else low + 1, DENSITY)

    @property
    def scale(self) -> ScalarMappable:
        """The scale as a colourbar takes it."""
        return ScalarMappable(Normalize(self.low, self.high), self.palette)

    def paint(
        self, w: Float[Tensor, "b n m"], *, smooth: bool = True
    ) -> Float[Tensor, "b 3 height width"]:
        """Pictures of fields, x to the right and y upwards, large enough to be seen.

        Args:
            w: Fields, which go on beyond their sides.
            smooth: Curve between points; otherwise each is a square.
        """
        factor = max(1, PIXELS // w.shape[-1])
        w = w.detach().cpu().double().mT.flip(-2)[:, None]
        if smooth and factor > 1:
            # Two points of the other side: what cubic curves between points reach.
            wrapped = F.pad(w, (2, 2, 2, 2), mode="circular")
            fine = F.interpolate(wrapped, scale_factor=factor, mode="bicubic")
            w = fine[..., 2 * factor : -2 * factor, 2 * factor : -2 * factor]
        else:
            w = w.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
        colours = np.asarray(self.palette(self.scale.norm(w[:, 0].numpy())))
        return torch.from_numpy(colours[..., :3]).movedim(-1, 1)


Paint = Callable[[Float[Tensor, "b c n m"]], Float[Tensor, "b 3 height width"]]
"""From fields to pictures."""


def painter(truth: Float[Tensor, "b c n m"], quantity: Quantity) -> Paint:
    """Paints fields in the colours of some true ones."""
    colours = Colours.of(shown(truth[:1000], quantity))
    return lambda x: colours.paint(shown(x, quantity))


def fields_figure(
    truth: Float[Tensor, "b c n n"], drawn: Float[Tensor, "m c n n"], quantity: Quantity
) -> Figure:
    """True fields beside generated ones, in the colours of the true ones.

    Args:
        truth: True fields.
        drawn: The model's.
        quantity: What they are.
    """
    true, ours = shown(truth[:1000], quantity), shown(drawn[: SIDE**2], quantity)
    colours = Colours.of(true)
    figure, (left, right) = panels(1, 2, side=4.6, height=4.8)
    _mosaic(
        left, colours.paint(true[: SIDE**2]), columns=SIDE, title=f"True {named(truth, quantity)}"
    )
    _mosaic(right, colours.paint(ours), columns=SIDE, title="Model")
    add_colourbar(colours.scale, right)
    return figure


def field_panel(
    model: Density,
    truth: Float[Tensor, "b c n n"],
    context: Shaped[Tensor, "b ..."] | None,
    quantity: Quantity,
) -> Figure:
    """A square of samples in the colours of true fields, of the same noise at each call.

    Args:
        model: The density.
        truth: True fields.
        context: Their context, for a conditional model.
        quantity: What they are.
    """
    few = None if context is None else context[: SIDE**2].to(model.device)
    with inference(model):
        n = SIDE**2 if few is None else len(few)
        drawn = draw_samples(model, n, few, generator=torch.Generator().manual_seed(0))
    figure, (axis,) = panels(1, 1, side=5.2)
    _mosaic(axis, painter(truth, quantity)(drawn), columns=SIDE, title="Model samples")
    return figure


def field_paths_figure(
    model: ContinuousFlow,
    truth: Float[Tensor, "b c n n"],
    context: Shaped[Tensor, "b ..."] | None,
    quantity: Quantity,
    *,
    generator: torch.Generator,
) -> Figure:
    """Three samples on their way from the base, left, to the data, right, in data units.

    Args:
        model: A continuous flow, under `inference`.
        truth: True fields, whose colours are taken.
        context: Their context, for a conditional model.
        quantity: What they are.
        generator: Source of randomness, on any device.
    """
    ways = _ways(model, context, STAGES, SIDE, generator)
    colours = Colours.of(shown(truth[:1000], quantity))
    pictures = colours.paint(shown(ways.flatten(0, 1), quantity))
    rows = pictures.unflatten(0, (STAGES, SIDE)).transpose(0, 1).flatten(0, 1)
    figure, (axis,) = panels(1, 1, side=1.5 * STAGES + 0.6, height=1.5 * SIDE + 0.7)
    _mosaic(axis, rows, columns=STAGES)
    _name_columns(axis, [f"t = {stage / (STAGES - 1):.1f}" for stage in range(STAGES)])
    add_colourbar(colours.scale, axis, at=1.012, width=0.016)
    return figure


def animate_fields(
    model: ContinuousFlow,
    path: Path,
    truth: Float[Tensor, "b c n n"],
    context: Shaped[Tensor, "b ..."] | None,
    quantity: Quantity,
    *,
    generator: torch.Generator,
) -> None:
    """Write samples on their way from the base to the data as a GIF, in data units.

    Args:
        model: A continuous flow.
        path: Where to, replaced if there is one.
        truth: True fields, whose colours are taken.
        context: Their context, for a conditional model.
        quantity: What they are.
        generator: Source of randomness, on any device.
    """
    paint = painter(truth, quantity)
    with inference(model, generator):
        ways = _ways(model, context, FRAMES, 4, generator)
    figure, (axis,) = panels(1, 1, side=4.4, dpi=100)
    writer = PillowWriter(fps=round(FRAMES / SECONDS))
    with writer.saving(figure, str(path), dpi=100):
        for index in [*range(FRAMES), *[FRAMES - 1] * REST]:
            axis.clear()
            title = f"From noise to {named(truth, quantity)}, t = {index / (FRAMES - 1):.2f}"
            _mosaic(axis, paint(ways[index]), columns=2, title=title)
            writer.grab_frame()


def enlarged_fields_figure(
    model: Density,
    truth: Float[Tensor, "k c n n"],
    context: Float[Tensor, "k _"],
    quantity: Quantity,
    *,
    generator: torch.Generator,
    rows: int = 4,
) -> Figure:
    """A row for each field: what is given, the true one, three samples, their mean and spread.

    Mean and standard deviation are those of `MEMBERS` samples.

    Args:
        model: A density of fields given block means, under `inference`.
        truth: True fields, on its device.
        context: The block means, flattened.
        quantity: What the fields are.
        generator: Source of randomness, on any device.
        rows: Fields below each other.
    """
    truth, context = truth[:rows], context[:rows]
    given = enlarged(context, model.event_shape)
    draws = ensemble(model, context, members=MEMBERS, generator=generator, batch_size=MEMBERS)
    draws = torch.stack([shown(member, quantity) for member in draws])
    colours, spread = Colours.of(shown(truth, quantity)), draws.std(0)
    doubt = Colours(0.0, float(spread.quantile(0.998)), DENSITY)
    columns = [
        colours.paint(shown(given, quantity), smooth=False),
        colours.paint(shown(truth, quantity)),
        *map(colours.paint, draws[:3]),
        colours.paint(draws.mean(0)),
        doubt.paint(spread),
    ]
    pictures = torch.stack(columns, 1).flatten(0, 1)
    figure, (axis,) = panels(1, 1, side=1.35 * len(columns), height=1.17 * rows + 0.5)
    _mosaic(axis, pictures, columns=len(columns))
    _name_columns(axis, ["given", "true", "sample", "sample", "sample", "mean", "spread"])
    add_colourbar(colours.scale, axis, at=1.012, width=0.012)
    add_colourbar(doubt.scale, axis, at=1.09, width=0.012)
    # Room for two colourbars, which grow with the panel, is found at the second layout only.
    figure.draw_without_rendering()
    return figure


def _ways(
    model: ContinuousFlow,
    context: Shaped[Tensor, "b ..."] | None,
    times: int,
    n: int,
    generator: torch.Generator,
) -> Float[Tensor, "k n c h w"]:
    """Samples at equal times from 0 to 1, in data units."""
    few = None if context is None else context[:n].to(model.device)
    z = model.base.sample(n, generator=spawn(generator, model.device))
    encoded = model.context_encoder(few, n, model.dtype)
    ways = model.trajectories(z, torch.linspace(0, 1, times, dtype=torch.float64), encoded)
    rows = None if encoded is None else encoded.repeat(times, 1)
    return to_data(model, ways.flatten(0, 1), rows).view_as(ways)


def _mosaic(axis: Axes, pictures: Tensor, *, columns: int, title: str = "") -> None:
    """A mosaic in a panel of its own shape, beside which a colourbar is as high as it."""
    show_mosaic(axis, pictures, columns=columns, title=title)
    rows = -(-len(pictures) // columns)
    axis.set_box_aspect(rows * pictures.shape[-2] / (columns * pictures.shape[-1]))


def _name_columns(axis: Axes, names: list[str]) -> None:
    """Words above the columns of a mosaic, each as wide as the others."""
    for place, name in enumerate(names):
        axis.text(
            (place + 0.5) / len(names), 1.01, name, fontsize=12, ha="center", va="bottom",
            transform=axis.transAxes,
        )  # fmt: skip
