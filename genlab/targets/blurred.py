"""What points of a bounded set of the plane share, once Gaussian noise is added."""

from __future__ import annotations

from genlab.targets.exact import PlaneTarget
from genlab.targets.quadrature import centred_square

__all__ = ["BlurredTarget"]


class BlurredTarget(PlaneTarget):
    """Points within ``[-extent, extent]^2``, plus Gaussian noise.

    Args:
        extent: Half the side of the square that holds the points.
        scale: Standard deviation of the noise along each coordinate.
    """

    def __init__(self, *, extent: float, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.bound = extent + 4 * scale
        self.box = centred_square(extent + 6 * scale)
