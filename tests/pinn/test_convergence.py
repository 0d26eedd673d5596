"""Errors against costs: medians of seeds, and who has which colour and line."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from genlab.pinn.convergence import Course, convergence_figures, median_line


def course(sampler: str, optimizer: str, scale: float, costs: np.ndarray) -> Course:
    """A solve whose error falls as ``scale / cost``."""
    rows = [{"seconds": s, "evaluations": 1e3 * s, "relative_l2": scale / s} for s in costs]
    return Course(sampler, optimizer, rows)


def test_the_median_of_power_laws_is_the_middle_one() -> None:
    """Each is measured at other costs; a line between two of its points is exact."""
    starts, ends = (1.0, 2.0, 3.0), (50.0, 90.0, 70.0)
    every = [np.geomspace(a, b, 7) for a, b in zip(starts, ends, strict=True)]
    lines = [(x, scale / x) for x, scale in zip(every, (1.0, 10.0, 4.0), strict=True)]
    x, y = median_line(lines)
    np.testing.assert_allclose(y, 4 / x)
    assert (x[0], x[-1]) == pytest.approx((3, 50))
    assert (np.diff(x) > 0).all()


def test_a_sampler_is_a_colour_and_an_optimiser_a_line_in_all_problems() -> None:
    costs = np.geomspace(1, 30, 5)
    first = [course("rad", "adam", s, costs) for s in (1.0, 3.0, 2.0)]
    first += [course("das", "lm", 1e-3, costs), course("rad", "lm", 1e-2, costs)]
    second = [course("das", "lm", 1.0, costs[-1:]), course("das", "lm", 4.0, costs[-1:])]
    figures = convergence_figures({"peak": first, "burgers": second})
    peak, burgers = figures.values()
    for axis, scale in zip(peak.axes, (1, 1e3), strict=True):
        bold = [line for line in axis.lines if line.get_linewidth() > 2]
        assert len(axis.lines) == 3 + 3
        looks = [(to_hex(line.get_color()), line.get_linestyle()) for line in bold]
        assert looks == [("#1f77b4", "-"), ("#ff7f0e", "--"), ("#1f77b4", "--")]
        # The middle one of three seeds.
        np.testing.assert_allclose(bold[0].get_ydata(), 2 / costs)
        np.testing.assert_allclose(bold[0].get_xdata(), scale * costs)
        assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    named = [text.get_text() for text in peak.legends[0].get_texts()]
    assert named == ["rad", "das", "adam", "lm"]
    # Validated once, a solve is a dot, and of two the median is between.
    dots = burgers.axes[0].lines
    assert [line.get_marker() for line in dots] == ["o"] * 3
    assert to_hex(dots[-1].get_color()) == "#ff7f0e"
    assert dots[-1].get_ydata() == pytest.approx([2 / 30])


def test_without_a_solution_the_residual_is_the_error() -> None:
    points = ((0.0, 9.0), (1.0, 1.0), (2.0, 0.25), (3.0, np.nan))
    rows = [{"seconds": s, "evaluations": s, "residual": error} for s, error in points]
    (figure,) = convergence_figures({"cavity": [Course("rad", "lm", rows)]}).values()
    assert figure.axes[0].get_ylabel() == "mean squared residual"
    [line] = figure.axes[0].lines
    assert line.get_ydata().tolist() == [1.0, 0.25]
