"""True samples beside the model's, in the plane."""

from __future__ import annotations

from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from genlab.evaluation.figures.style import MODEL, TRUTH, panels, scatter
from genlab.evaluation.figures.window import Window

__all__ = ["sample_figure"]


def sample_figure(
    truth: Float[Tensor, "n 2"],
    model: Float[Tensor, "m 2"],
    *,
    window: Window,
    kind: str = "True",
) -> Figure:
    """True samples, model samples, and both: the colour below is mass that the model misplaced.

    Args:
        truth: Samples of the target.
        model: Samples of the model.
        window: What to show.
        kind: What the samples of the target are.
    """
    figure, (left, middle, right) = panels(1, 3, side=4.4)
    scatter(left, truth, TRUTH)
    scatter(middle, model, MODEL)
    scatter(right, model, MODEL, alpha=0.9)
    scatter(right, truth, TRUTH, alpha=0.9)
    titles = (f"{kind} samples", "Model samples", f"{kind} over model")
    for axis, title in zip((left, middle, right), titles, strict=True):
        window.frame(axis)
        axis.set_title(title, fontsize=14)
    return figure
