"""Statistics of generated fields beside those of true ones, with their errors."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from genlab.evaluation.fields import EMPTY, field_statistics
from genlab.evaluation.figures.fields import named, shown
from genlab.evaluation.figures.style import MODEL, TRUTH, panels
from genlab.fields.statistics import Quantity, histogram, separations, structure_functions, velocity

__all__ = ["statistics_figures"]

REACH = 5.5
"""How far densities are shown, in standard deviations of true fields."""
CELLS = 44
BAND = 0.25
"""How opaque the error of a curve is."""


class _Curve(NamedTuple):
    """The mean of a number at some places, and two standard errors of it over fields."""

    mean: Float[np.ndarray, " s"]
    error: Float[np.ndarray, " s"]

    @classmethod
    def of(cls, rows: Float[Tensor, "b s"]) -> _Curve:
        rows = rows.detach().cpu().double()
        error = 2 * rows.std(0) / math.sqrt(len(rows))
        return cls(rows.mean(0).numpy(), error.numpy())

    def draw(self, axis: Axes, x: Float[np.ndarray, " s"], colour: str, label: str) -> None:
        """A line within its error."""
        axis.plot(x, self.mean, color=colour, linewidth=2, label=label)
        low, high = self.mean - self.error, self.mean + self.error
        axis.fill_between(x, low, high, color=colour, alpha=BAND, linewidth=0)


def statistics_figures(
    truth: Float[Tensor, "b c n n"], drawn: Float[Tensor, "m c n n"], quantity: Quantity
) -> dict[str, Figure]:
    """Curves of true and of generated fields, within two standard errors over fields.

    - ``spectrum``: power by shells with the range of nine tenths of single true fields, and the
      model's over the true one;
    - ``densities``: of values, of a flow its vorticity and longitudinal increments of velocity;
    - ``flux``, of a flow: enstrophy flux and the third structure function.

    Args:
        truth: True fields.
        drawn: The model's.
        quantity: What they are.
    """
    true, ours = (field_statistics(x, quantity) for x in (truth, drawn))
    figures = {
        "spectrum": _spectrum(
            true["spectrum"][:, 0], ours["spectrum"][:, 0], named(truth, quantity)
        ),
        "densities": _densities(truth, drawn, true, ours, quantity),
    }
    if quantity != "scalar":
        figures["flux"] = _flux(truth, drawn, true["flux"], ours["flux"], quantity)
    return figures


def _spectrum(true: Float[Tensor, "b s"], ours: Float[Tensor, "m s"], name: str) -> Figure:
    held = true.mean(0) > EMPTY * true.mean(0).sum()
    held[0] = False
    k = held.nonzero().flatten().numpy()
    true, ours = true[:, held], ours[:, held]
    figure, (left, right) = panels(1, 2, side=4.0, height=4.6)
    low, high = true.quantile(true.new_tensor([0.05, 0.95]), dim=0).numpy()
    left.plot(k, true.mean(0), color=TRUTH, linewidth=2, label="true fields")
    left.fill_between(k, low, high, color=TRUTH, alpha=0.15, linewidth=0, label="9 in 10 of them")
    left.plot(k, ours.mean(0), color=MODEL, linewidth=2, linestyle="--", label="model")
    left.set_xscale("log")
    left.set_yscale("log")
    # By powers of two: between 1 and 6 the marks of decades would be written over each other.
    marks = [2**i for i in range(int(k[-1]).bit_length())]
    left.set_xticks(marks, labels=map(str, marks))
    left.set_xticks([], minor=True)
    left.set_xlabel("|k|", fontsize=12)
    left.set_title(f"Power of {name} by shells", fontsize=14)
    left.legend(fontsize=11, frameon=False, loc="lower left")

    mean = true.mean(0)
    _Curve.of(true / mean).draw(right, k, TRUTH, "true fields")
    _Curve.of(ours / mean).draw(right, k, MODEL, "model")
    right.set_xlabel("|k|", fontsize=12)
    right.set_title("Over the true power", fontsize=14)
    return figure


def _densities(
    truth: Float[Tensor, "b c n n"],
    drawn: Float[Tensor, "m c n n"],
    true: dict[str, Tensor],
    ours: dict[str, Tensor],
    quantity: Quantity,
) -> Figure:
    """Densities in standard deviations of true fields, on a logarithmic scale."""
    pairs = [tuple(shown(x, quantity).flatten(1) for x in (truth, drawn))]
    titles = [f"Values of {named(truth, quantity)}"]
    if quantity != "scalar":
        both = (true["increments"].unbind(1), ours["increments"].unbind(1))
        pairs += list(zip(*both, strict=True))
        steps = separations(truth.shape[-1])
        titles += [f"Increments of u, {step} step{'s'[: step > 1]}" for step in steps]
    columns = min(2, len(pairs))
    figure, axes = panels(-(-len(pairs) // columns), columns, side=3.7, height=4.3)
    edges = torch.linspace(-REACH, REACH, CELLS + 1, dtype=torch.float64)
    centres = ((edges[1:] + edges[:-1]) / 2).numpy()
    for axis, (a, b), title in zip(axes, pairs, titles, strict=True):
        centre, scale = a.mean(), a.std()
        curves = [_Curve.of(histogram((x - centre) / scale, edges)) for x in (a, b)]
        gaussian = np.exp(-(centres**2) / 2) / math.sqrt(2 * math.pi)
        axis.plot(centres, gaussian, color="0.6", linewidth=1.2, linestyle=":", label="Gaussian")
        curves[0].draw(axis, centres, TRUTH, "true fields")
        curves[1].draw(axis, centres, MODEL, "model")
        axis.set_yscale("log")
        # A cell that holds a number or two tells nothing.
        top = 1.2 * max(1.0, *(curve.mean.max() for curve in curves))
        axis.set_ylim(10 * float(1 / (a.numel() * (edges[1] - edges[0]))), top)
        axis.set_xlim(-REACH, REACH)
        axis.set_title(title, fontsize=14)
        axis.set_xlabel("standard deviations", fontsize=12)
    axes[0].legend(fontsize=11, edgecolor="none", loc="best")
    return figure


def _flux(
    truth: Float[Tensor, "b c n n"],
    drawn: Float[Tensor, "m c n n"],
    true: Float[Tensor, "b s"],
    ours: Float[Tensor, "m s"],
    quantity: Quantity,
) -> Figure:
    figure, (left, right) = panels(1, 2, side=4.0, height=4.6)
    for rows, colour, label in ((true, TRUTH, "true fields"), (ours, MODEL, "model")):
        k = np.arange(rows.shape[1])
        _Curve.of(rows).draw(left, k, colour, label)
    left.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    left.set_title("Enstrophy flux", fontsize=14)
    left.set_xlabel("|k|", fontsize=12)
    left.legend(fontsize=11, frameon=False)
    for x, colour, label in ((truth, TRUTH, "true fields"), (drawn, MODEL, "model")):
        u = x.cpu().double() if quantity == "velocity" else velocity(shown(x, quantity))
        third = structure_functions(u)[:, 1]
        r = 2 * math.pi / x.shape[-1] * np.arange(1, third.shape[1] + 1)
        _Curve.of(third).draw(right, r, colour, label)
    right.set_title("Third structure function", fontsize=14)
    right.set_xlabel("r", fontsize=12)
    for axis in (left, right):
        axis.axhline(0, color="0.6", linewidth=1, linestyle=":")
    return figure
