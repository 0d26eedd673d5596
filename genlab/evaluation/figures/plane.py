"""Densities and clouds of points in the plane: the true ones beside those of models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from textwrap import wrap

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from genlab.densities.density import Density
from genlab.densities.inference import batches, device_of, inference, log_probs
from genlab.evaluation.estimate import effective_rows
from genlab.evaluation.estimate import shares as shares_of
from genlab.evaluation.figures.layout import PanelLayout
from genlab.evaluation.figures.style import (
    DENSITY,
    DIFFERENCE,
    MODEL,
    TRUTH,
    Window,
    add_colourbar,
    panels,
    position_colours,
    scatter,
    window_of,
)
from genlab.evaluation.figures.turns import add_shares
from genlab.targets.target import Target

__all__ = [
    "add_contours",
    "comparison_figure",
    "density_figure",
    "density_panel",
    "latent_figure",
    "model_density",
    "sample_density",
    "sample_figure",
    "show_density",
    "target_density",
]

BATCH = 10_000
COLUMNS = 5
"""Panels of one target beside each other."""
LETTERS = 20
"""Letters of a title that a panel of a comparison has room for."""
TRUE = "True density"
ESTIMATED = "True density, log Z estimated"
WITHIN = "True density given this window"
TITLES = {
    "exact": "Model density",
    "lower_bound": "Model density, a lower bound",
    "estimate": "Model density, an estimate",
}


def model_density(model: Density, window: Window, size: int) -> Float[np.ndarray, "size size"]:
    """The model's density at the centres of ``size x size`` cells, row y upwards, column x."""
    with inference(model):
        log_p = log_probs(model, window.grid(size), batch_size=BATCH)
    return log_p.exp().reshape(size, size).numpy()


def target_density(
    target: Target, window: Window, size: int, *, log_z: float | None = None
) -> tuple[Float[np.ndarray, "size size"], str]:
    """The exact density at the centres of ``size x size`` cells, row y upwards, column x.

    Where it is known up to a constant only, by an estimate of that, unless there is none or more
    mass than that lies in the window: then it is the density given that a point is in the window.

    Args:
        target: Its energy must be known.
        window: What to show.
        size: Cells a side.
        log_z: An estimate of the constant's logarithm.

    Returns:
        The density, and a title that says which it is.
    """
    grid = window.grid(size).to(device_of(target))
    title = TRUE
    with torch.no_grad():
        if target.has_density:
            log_p = torch.cat([target.log_prob(grid[rows]) for rows in batches(len(grid), BATCH)])
        else:
            log_p = -torch.cat([target.energy(grid[rows]) for rows in batches(len(grid), BATCH)])
            inside = log_p.logsumexp(0).item() + math.log(window.area / size**2)
            # An estimate may miss mass, what lies in sight it must not.
            constant = log_z if log_z is not None and log_z > inside else inside
            title = WITHIN if constant == inside else ESTIMATED
            log_p = log_p - constant
    return log_p.exp().reshape(size, size).cpu().numpy(), title


def sample_density(
    samples: Float[Tensor, "n 2"],
    window: Window,
    size: int,
    weight: Float[Tensor, " n"] | None = None,
) -> Float[np.ndarray, "size size"]:
    """Share of the samples in each of ``size x size`` cells over its area, row y upwards.

    Args:
        samples: Points of the plane, at least one.
        window: What to show.
        size: Cells a side.
        weight: How much each sample counts; None where all count the same.
    """
    x, y = samples.detach().cpu().double().numpy().T
    edges = [np.linspace(*window.extent[2:], size + 1), np.linspace(*window.extent[:2], size + 1)]
    share, *_ = np.histogram2d(y, x, bins=edges, weights=shares_of(len(x), weight).numpy())
    density: Float[np.ndarray, "size size"] = share * size**2 / window.area
    return density


def density_figure(
    model: Density,
    target: Target | None,
    *,
    window: Window,
    samples: Float[Tensor, "n 2"] | None,
    weight: Float[Tensor, " n"] | None = None,
    size: int = 200,
    log_z: float | None = None,
    shares: bool = False,
) -> Figure:
    """True density, model density on the same colours, and their difference.

    Where the true density is unknown, a histogram of true samples, by their weight where they have
    one, stands for it, and there is no difference. Densities above the largest true one share its
    colour; of a histogram, whose highest cells may be a few heavy rows, those above the model's
    largest do, down to a quarter of its own.

    Args:
        model: A density on the plane.
        target: What it should be, or None.
        window: What to show.
        samples: True samples, used where the density is unknown; else they may be None.
        weight: How much each of them counts; None where all count the same.
        size: Grid points a side.
        log_z: An estimate of the target's constant, where it does not know it.
        shares: Whether contours hold the shares of residues that are favoured and allowed.
    """
    exact = target is not None and target.has_energy
    if target is not None and exact:
        truth, name = target_density(target, window, size, log_z=log_z)
    else:
        name = "True samples" if weight is None else "Weighted samples"
        assert samples is not None
        # About four samples a cell if they were spread evenly: fine enough, and not all noise.
        rows = effective_rows(shares_of(len(samples), weight))
        cells = min(max(round(0.5 * rows**0.5), 16), 100)
        truth = sample_density(samples, window, cells, weight)
    density = model_density(model, window, size)
    top, highest = _top(truth), _top(density)
    if not exact:
        top = min(top, max(highest, top / 4))
    figure, axes = panels(1, 3 if exact else 2, side=4.4, height=4.1, layout=PanelLayout())
    images = [
        show_density(axes[0], truth, window, top=top, title=name),
        show_density(axes[1], density, window, top=top, title=TITLES[model.likelihood]),
    ]
    # Of the higher one: its tip says that there is more than the bar shows.
    add_colourbar(images[highest >= _top(truth)], axes[1])
    if shares:
        for axis, values in zip(axes, (truth, density) if exact else (None, density), strict=False):
            if values is not None:
                add_shares(axis, values, window)
    if exact:
        _difference(axes[2], density - truth, window, top)
    return figure


def density_panel(model: Density, target: Target, *, size: int = 100) -> Figure:
    """True and model density on a coarse grid: the figure to log while training.

    Where the true density is unknown, the model's is alone.

    Args:
        model: A density on the plane.
        target: What it should be; shown on ``[-bound, bound]^2``.
        size: Grid points a side.
    """
    window = Window(-target.bound, target.bound, -target.bound, target.bound)
    maps = [(model_density(model, window, size), TITLES[model.likelihood])]
    if target.has_energy:
        maps.insert(0, target_density(target, window, size))
    figure, axes = panels(1, len(maps), side=3.2, dpi=100, layout=PanelLayout())
    for axis, (values, title) in zip(axes, maps, strict=True):
        show_density(axis, values, window, top=_top(maps[0][0]), title=title)
    return figure


def show_density(
    axis: Axes,
    values: Float[np.ndarray, "size size"],
    window: Window,
    *,
    top: float,
    title: str | None = None,
) -> AxesImage:
    """Draw a density on a grid; all above ``top`` share its colour."""
    if title is not None:
        axis.set_title(title, fontsize=14)
    return axis.imshow(
        values, origin="lower", extent=window.extent, cmap=DENSITY, vmin=0, vmax=top, aspect="auto"
    )


def _top(values: Float[np.ndarray, "size size"]) -> float:
    """The largest finite density, 1 where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def _difference(
    axis: Axes, values: Float[np.ndarray, "size size"], window: Window, top: float
) -> None:
    # At least a tenth of the peak, so that noise stays pale; at most the peak, so that no spike of
    # the model hides the rest.
    limit = float(np.clip(_top(np.abs(values)), 0.1 * top, top))
    axis.set_title("Model \N{MINUS SIGN} true", fontsize=14)
    image = axis.imshow(
        values,
        origin="lower",
        extent=window.extent,
        cmap=DIFFERENCE,
        vmin=-limit,
        vmax=limit,
        aspect="auto",
    )
    add_colourbar(image, axis)


def sample_figure(
    truth: Float[Tensor, "n 2"], model: Float[Tensor, "m 2"], *, window: Window, kind: str = "True"
) -> Figure:
    """True samples, model samples, and both: the colour below is mass that the model misplaced.

    Args:
        truth: Samples of the target.
        model: Samples of the model.
        window: What to show.
        kind: What the samples of the target are.
    """
    figure, (left, middle, right) = panels(1, 3, side=4.4, layout=PanelLayout())
    scatter(left, truth, TRUTH)
    scatter(middle, model, MODEL)
    scatter(right, model, MODEL, alpha=0.9)
    scatter(right, truth, TRUTH, alpha=0.9)
    titles = (f"{kind} samples", "Model samples", f"{kind} over model")
    for axis, title in zip((left, middle, right), titles, strict=True):
        window.frame(axis)
        axis.set_title(title, fontsize=14)
    return figure


def latent_figure(
    x: Float[Tensor, "n 2"],
    z: Float[Tensor, "n 2"],
    base_samples: Float[Tensor, "m 2"],
    base: Density,
    *,
    window: Window,
    latent: Window | None = None,
) -> Figure:
    """Data, the same points in the latent, and samples of the base.

    A point keeps its colour, which tells where in the data it lies. Contours of the base's density
    hold 50, 90 and 99 % of its mass: a perfect flow fills them with data as with base samples.

    Args:
        x: True samples.
        z: Their images in the latent.
        base_samples: Samples of the base.
        base: The density that the latent should have.
        window: What to show of the data.
        latent: The same of the latent; where the samples of the base are, if None.
    """
    colours = position_colours(x)
    latent = latent or window_of(base_samples, square=True, margin=0.14)
    figure, (left, middle, right) = panels(1, 3, side=4.4, layout=PanelLayout())
    scatter(left, x, colours, alpha=0.8)
    window.frame(left)
    left.set_title("Data x", fontsize=14)
    for axis, points, shade, title in (
        (middle, z, colours, "Data in the latent, z = f(x)"),
        (right, base_samples, "0.55", "Base"),
    ):
        scatter(axis, points, shade, alpha=0.8)
        add_contours(axis, base, base_samples, latent)
        latent.frame(axis)
        axis.set_title(title, fontsize=14)
    return figure


def add_contours(
    axis: Axes, base: Density, base_samples: Float[Tensor, "m 2"], window: Window
) -> None:
    """Contours of a density that hold 50, 90 and 99 % of its mass, as its samples tell."""
    density = model_density(base, window, 100)
    with inference(base):
        log_p = log_probs(base, base_samples)
    parts = log_p.new_tensor([0.01, 0.1, 0.5])
    levels = np.unique(torch.quantile(log_p, parts).exp().numpy())
    levels = levels[(levels > density.min()) & (levels < density.max())]
    if len(levels):
        axis.contour(
            density, levels, origin="lower", extent=window.extent, colors="0.1", linewidths=1.0
        )


def comparison_figure(
    targets: Mapping[str, Target], models: Mapping[str, Mapping[str, Density]], *, size: int = 160
) -> Figure:
    """The true density and each model's, those of one target in the same colours.

    Several targets have a row each and several models a column each, with gaps where a pair is
    missing; the panels of a single target are wrapped. Each column has its title above.

    Args:
        targets: What the models should be, by name; shown on ``[-bound, bound]^2``.
        models: For each target densities on the plane, under their titles.
        size: Grid points a side.
    """
    titles = [TRUE, *dict.fromkeys(title for row in models.values() for title in row)]
    alone = len(targets) == 1
    columns = min(COLUMNS, len(titles)) if alone else len(titles)
    rows = math.ceil(len(titles) / columns) if alone else len(targets)
    figure, axes = panels(rows, columns, side=2.6)
    places = iter(axes)
    for number, (name, target) in enumerate(targets.items()):
        window = Window(-target.bound, target.bound, -target.bound, target.bound)
        truth, kind = target_density(target, window, size)
        maps = {
            TRUE: truth,
            **{title: model_density(model, window, size) for title, model in models[name].items()},
        }
        top = float(np.nanmax(maps[TRUE]))
        for title in titles:
            axis = next(places)
            if number == 0:
                axis.set_title(_folded(title), fontsize=14)
            if title not in maps:
                axis.set_axis_off()
                continue
            show_density(axis, maps[title], window, top=top)
            axis.set_xticks([])
            axis.set_yticks([])
            if title == TRUE and alone:
                axis.set_title(kind, fontsize=14)
            elif title == TRUE:
                axis.set_ylabel(name if kind == TRUE else f"{name}\n(true: given this window)")
    for axis in places:
        axis.set_axis_off()
    return figure


def _folded(title: str) -> str:
    """A title in lines that are no wider than a panel of a comparison."""
    return "\n".join(part for line in title.splitlines() for part in wrap(line, LETTERS))
