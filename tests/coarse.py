"""Whole runs drawn and measured coarsely, which is half of what they cost."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

__all__ = ["draw_coarsely", "measure_coarsely"]


def draw_coarsely(patch: pytest.MonkeyPatch) -> None:
    """Let figures have few pixels, few cells, and words that may lie over each other."""
    patch.setattr(ConstrainedLayoutEngine, "execute", lambda *_: None)
    if "genlab.evaluation.figures.layout" in sys.modules:
        patch.setattr("genlab.evaluation.figures.layout.PanelLayout.execute", lambda *_: None)
    patch.setattr(Figure, "savefig", coarsely(Figure.savefig))
    if "genlab.evaluation.figures.gallery" in sys.modules:
        from genlab.evaluation.figures.paths import paths_figure

        few = partial(paths_figure, size=12)
        for name, value in {"DPI": 40, "CELLS": 40, "paths_figure": few}.items():
            patch.setattr(f"genlab.evaluation.figures.gallery.{name}", value)


def coarsely(save: Any) -> Any:
    def savefig(figure: Figure, file: Any, **options: Any) -> None:
        if "format" not in options:  # a frame of an animation has a size already
            options["dpi"] = 40
        save(figure, file, **options)

    return savefig


def measure_coarsely(patch: pytest.MonkeyPatch) -> None:
    """Let metrics be those of few points, and speeds of one batch."""
    if "genlab.assembly.training" in sys.modules:
        from genlab.densities import Density
        from genlab.evaluation import evaluate, samples_per_second
        from genlab.models import ContinuousFlow

        few = partial(evaluate, w2_points=200, calibration_rows=20)
        once = partial(samples_per_second, seconds=0.0)
        patch.setattr("genlab.assembly.training.evaluate", few)
        patch.setattr("genlab.evaluation.suite.samples_per_second", once)
        patch.setattr("genlab.evaluation.suite.CLASSIFIED", 0)
        patch.setattr(Density, "test_samples", 10_000)
        patch.setattr(ContinuousFlow, "test_samples", 1000)
