"""What several models make of one target, or of several."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from genlab.densities.density import Density
from genlab.evaluation.figures.density import model_density, show_density, target_density
from genlab.evaluation.figures.style import panels
from genlab.evaluation.figures.window import Window
from genlab.targets.target import Target

__all__ = ["comparison_figure"]

COLUMNS = 5
TRUTH = "True density"


def comparison_figure(
    targets: Mapping[str, Target], models: Mapping[str, Mapping[str, Density]], *, size: int = 160
) -> Figure:
    """The true density and each model's, those of one target in the same colours.

    Several targets have a row each and several models a column each, with gaps where a pair is
    missing; the panels of a single target are wrapped.

    Args:
        targets: What the models should be, by name; shown on ``[-bound, bound]^2``.
        models: For each target densities on the plane, under their titles.
        size: Grid points a side.
    """
    titles = [TRUTH, *dict.fromkeys(title for row in models.values() for title in row)]
    alone = len(targets) == 1
    columns = min(COLUMNS, len(titles)) if alone else len(titles)
    rows = math.ceil(len(titles) / columns) if alone else len(targets)
    figure, axes = panels(rows, columns, side=2.6)
    places = iter(axes)
    for number, (name, target) in enumerate(targets.items()):
        window = Window(-target.bound, target.bound, -target.bound, target.bound)
        maps = dict(_maps(target, models[name], window, size))
        top = float(np.nanmax(maps[TRUTH]))
        for title in titles:
            axis = next(places)
            if title not in maps:
                axis.set_axis_off()
                continue
            show_density(axis, maps[title], window, top=top, title=title if number == 0 else "")
            axis.set_xticks([])
            axis.set_yticks([])
            if title == TRUTH and not alone:
                axis.set_ylabel(name)
    for axis in places:
        axis.set_axis_off()
    return figure


def _maps(
    target: Target, models: Mapping[str, Density], window: Window, size: int
) -> Iterator[tuple[str, Float[np.ndarray, "size size"]]]:
    yield TRUTH, target_density(target, window, size)
    for title, model in models.items():
        yield title, model_density(model, window, size)
