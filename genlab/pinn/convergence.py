"""The errors of several solves against what they cost, a figure a problem."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from genlab.evaluation.figures.style import panels

__all__ = ["Course", "convergence_figures", "median_line"]

COSTS = {"seconds": "seconds", "evaluations": "residual evaluations"}
ERRORS = {"relative_l2": "relative $L^2$ error", "residual": "mean squared residual"}
STYLES = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 4)), (0, (9, 4)))
FEW = 10
"""Samplers that have colours which are told apart by name."""
LETTERS = 80
"""That a line of the legend has room for."""

Line = tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]
Look = Mapping[str, Any]


class Course(NamedTuple):
    """One solve, as it went.

    >>> course = Course("rad", "adam", [{"seconds": 2.0, "relative_l2": 0.1}])
    >>> course.line("seconds", "relative_l2")
    (array([2.]), array([0.1]))

    Attributes:
        sampler: What chose the points.
        optimizer: What took the steps.
        history: A row of costs and errors for each validation.
    """

    sampler: str
    optimizer: str
    history: Sequence[Mapping[str, float]]

    def line(self, cost: str, error: str) -> Line:
        """The costs and errors that both have a logarithm."""
        rows = [(row[cost], row.get(error, math.nan)) for row in self.history]
        x, y = np.array(rows).reshape(-1, 2).T
        # A division by zero has none, nor has an error that is not known.
        shown = (x > 0) & (y > 0) & np.isfinite(y)
        return x[shown], y[shown]


def convergence_figures(problems: Mapping[str, Sequence[Course]]) -> dict[str, Figure]:
    """For each problem the error against seconds and against residual evaluations.

    A sampler has one colour, and an optimiser one line style, in all of them. Solves that differ
    in neither are seeds: thin lines, and their median bold. Where no solution is known, the
    residual stands for the error.

    Args:
        problems: The solves of each, by a title.
    """
    every = [course for courses in problems.values() for course in courses]
    samplers = list(dict.fromkeys(course.sampler for course in every))
    shades = colormaps["tab10" if len(samplers) <= FEW else "turbo"].resampled(
        FEW if len(samplers) <= FEW else len(samplers)
    )
    colours = {name: shades(number) for number, name in enumerate(samplers)}
    optimizers = dict.fromkeys(course.optimizer for course in every)
    styles = dict(zip(optimizers, cycle(STYLES), strict=False))
    return {title: _figure(title, courses, colours, styles) for title, courses in problems.items()}


def median_line(lines: Sequence[Line]) -> Line:
    """The median of several lines, between whose points logarithms are linear.

    It goes from where the last one begins to where the first one ends; of lines that share no cost
    it is one point, the median of their ends.

    >>> x = np.array([1.0, 100.0])
    >>> lines = [(x, np.array([1.0, 0.01])), (x, x), (np.array([1.0, 10.0]), np.array([1.0, 2.0]))]
    >>> [part.round(3).tolist() for part in median_line(lines)]
    [[1.0, 10.0], [1.0, 2.0]]

    Args:
        lines: Costs and errors of each, at least one point.
    """
    low, high = max(x[0] for x, _ in lines), min(x[-1] for x, _ in lines)
    if low >= high:
        x, y = _median(np.array([(x[-1], y[-1]) for x, y in lines]))
        return np.array([x]), np.array([y])
    costs = np.unique(np.concatenate([x for x, _ in lines]))
    costs = costs[(low <= costs) & (costs <= high)]
    logarithms = [np.interp(np.log(costs), np.log(x), np.log(y)) for x, y in lines]
    return costs, _median(np.exp(logarithms))


def _median(values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " k"]:
    """That of each column, of two in the middle the geometric mean; to the last digit if equal."""
    ordered, n = np.sort(values, 0), len(values)
    middle: np.ndarray = np.sqrt(ordered[(n - 1) // 2] * ordered[n // 2])
    return middle


def _figure(title: str, courses: Sequence[Course], colours: Look, styles: Look) -> Figure:
    known = any("relative_l2" in row for course in courses for row in course.history)
    error = "relative_l2" if known else "residual"
    names = _names(courses, colours, styles)
    longest = max(len(str(name.get_label())) for name in names)
    columns = max(1, min(len(names), LETTERS // (longest + 8)))
    height = 3.8 + 0.23 * math.ceil(len(names) / columns)
    figure, axes = panels(1, 2, side=3.4, height=height, dpi=160)
    for axis, (cost, label) in zip(axes, COSTS.items(), strict=True):
        axis.set(xscale="log", yscale="log")
        # Some solves take less than a decade of seconds: half decades are told apart too.
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        large = cost == "evaluations"
        axis.xaxis.set_major_formatter(EngFormatter(sep="") if large else "{x:g}")
        for side in (axis.xaxis, axis.yaxis):
            side.set_minor_formatter(NullFormatter())
        _draw(axis, courses, cost, error, colours, styles)
        axis.set_xlabel(label, fontsize=12)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(ERRORS[error], fontsize=12)
    axes[1].tick_params(which="both", labelleft=False)
    axes[1].sharey(axes[0])
    seeds = len({(course.sampler, course.optimizer) for course in courses}) < len(courses)
    figure.suptitle(f"{title}\nthin: seeds, bold: median" if seeds else title, fontsize=13)
    figure.legend(
        handles=names,
        loc="outside lower center",
        ncols=columns,
        fontsize=11,
        frameon=False,
        handlelength=2.6,
    )
    return figure


def _draw(
    axis: Axes, courses: Iterable[Course], cost: str, error: str, colours: Look, styles: Look
) -> None:
    lines: defaultdict[tuple[str, str], list[Line]] = defaultdict(list)
    for course in courses:
        line = course.line(cost, error)
        if len(line[0]) > 0:
            lines[course.sampler, course.optimizer].append(line)
    for (sampler, optimizer), seeds in lines.items():
        look = {"color": colours[sampler], "linestyle": styles[optimizer]}
        if len(seeds) > 1:
            for x, y in seeds:
                axis.plot(x, y, **look, linewidth=0.7, alpha=0.5, marker=_marker(x), markersize=3)
        x, y = median_line(seeds)
        axis.plot(x, y, **look, linewidth=2.2, marker=_marker(x), markersize=7)


def _marker(x: Float[np.ndarray, " k"]) -> str:
    """A point alone is no line."""
    return "o" if len(x) == 1 else ""


def _names(courses: Sequence[Course], colours: Look, styles: Look) -> list[Line2D]:
    """The entries of the legend: samplers, then optimisers."""
    samplers = dict.fromkeys(course.sampler for course in courses)
    optimizers = dict.fromkeys(course.optimizer for course in courses)
    return [
        *(Line2D([], [], color=colours[name], linewidth=4, label=name) for name in samplers),
        *(Line2D([], [], color="black", linestyle=styles[name], label=name) for name in optimizers),
    ]
