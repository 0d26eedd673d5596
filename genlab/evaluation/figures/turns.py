"""Angles in figures: whole turns, with the marks and the letters that people know."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from genlab.evaluation.figures.style import Window

__all__ = ["SHARES", "TURN", "add_shares", "greek", "mark_turn", "mark_turns", "with_turns"]

TURN = (-math.pi, math.pi)
GREEK = re.compile(r"(alpha|beta|gamma|delta|epsilon|zeta|chi|phi|psi|omega)(\d*)")
RADIANS = {-2: r"$-\pi$", -1: r"$-\pi/2$", 0: "0", 1: r"$\pi/2$", 2: r"$\pi$"}
SHARES = (0.98, 0.9995)
"""Of all residues, what contours hold: those called favoured, and those called allowed (Lovell et
al. 2003, doi:10.1002/prot.10286)."""


def with_turns(window: Window, circular: Collection[int]) -> Window:
    """A window that shows a whole turn of the coordinates that are angles."""
    if 0 in circular:
        window = replace(window, left=TURN[0], right=TURN[1])
    if 1 in circular:
        window = replace(window, bottom=TURN[0], top=TURN[1])
    return window


def mark_turn(axis: Axes, which: str, *, degrees: bool, ends: bool = True) -> None:
    """Let one side of a panel show a whole turn.

    Args:
        axis: The panel.
        which: ``x`` or ``y``.
        degrees: Whether marks are in degrees, not in radians.
        ends: Whether the ends are marked too, which those of the next panel may touch.
    """
    places = (-2, -1, 0, 1, 2) if ends else (-1, 0, 1)
    labels = [f"{90 * k}".replace("-", "\N{MINUS SIGN}") if degrees else RADIANS[k] for k in places]
    axis.set(**{f"{which}lim": TURN})
    side = axis.xaxis if which == "x" else axis.yaxis
    side.set_ticks([k * math.pi / 2 for k in places], labels=labels)


def mark_turns(
    axes: Iterable[Axes],
    circular: Collection[int],
    names: Sequence[str] | None = None,
    *,
    degrees: bool,
) -> None:
    """The same for both sides of several panels of the plane, with the names of the angles.

    Args:
        axes: The panels.
        circular: Which coordinates are angles; panels without are left as they are.
        names: Names of both coordinates, or None.
        degrees: Whether marks are in degrees, not in radians.
    """
    if not circular:
        return
    for axis in axes:
        for place, which in enumerate("xy"):
            if place in circular:
                mark_turn(axis, which, degrees=degrees)
            if names is not None:
                unit = " (degrees)" if degrees and place in circular else ""
                axis.set(**{f"{which}label": f"{greek(names[place])}{unit}"})


def greek(name: str) -> str:
    """The Greek letter of an angle that is called by it; other names as they are.

    >>> greek("phi"), greek("chi2"), greek("mass")
    ('$\\\\phi$', '$\\\\chi_{2}$', 'mass')
    """
    found = GREEK.fullmatch(name)
    if not found:
        return name
    return rf"$\{found[1]}$" if not found[2] else rf"$\{found[1]}_{{{found[2]}}}$"


def add_shares(axis: Axes, density: Float[np.ndarray, "size size"], window: Window) -> None:
    """Contours of a density that hold the `SHARES` of the mass in a window."""
    values = np.sort(density, axis=None)[::-1]
    held = np.cumsum(values) / values.sum()
    levels = sorted({float(values[np.searchsorted(held, share)]) for share in SHARES})
    levels = [level for level in levels if density.min() < level < density.max()]
    if levels:
        axis.contour(
            density, levels, origin="lower", extent=window.extent, colors="0.75", linewidths=0.8
        )
