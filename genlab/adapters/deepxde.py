"""Samplers in DeepXDE's training loop (the extra ``deepxde``; backend PyTorch).

DeepXDE: Lu, Meng, Mao, Karniadakis, "DeepXDE: a deep learning library for solving differential
equations" (2021, arXiv:1907.04502).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.adapters.point_schedule import PointSchedule, ScheduleOptions
from genlab.batch import rowwise
from genlab.errors import UserError
from genlab.pde import Box, Disk, Domain, IndicatorDomain
from genlab.samplers import Sampler

try:
    import deepxde as dde
except ModuleNotFoundError as error:
    raise UserError("deepxde: not installed; pip install 'genlab[deepxde]'") from error

__all__ = ["AdaptiveAnchors", "domain_of"]

if dde.backend.backend_name != "pytorch":
    raise UserError(
        f"deepxde: its backend is {dde.backend.backend_name}, expected pytorch: set "
        "DDE_BACKEND=pytorch before it is imported"
    )


def domain_of(geometry: Any) -> Domain:
    """The domain of a geometry: a box, a disk, or the points of a box that are inside.

    Of a geometry with time the last coordinate is time, as in DeepXDE.

    >>> domain_of(dde.geometry.Rectangle([0, 0], [1, 2])).box
    ((0.0, 1.0), (0.0, 2.0))

    Args:
        geometry: A ``deepxde.geometry.Geometry``, or a ``GeometryXTime``.

    Raises:
        UserError: It is none, or has no volume.
    """
    shapes = dde.geometry
    space, time = geometry, []
    if isinstance(geometry, shapes.GeometryXTime):
        space, time = geometry.geometry, [(geometry.timedomain.t0, geometry.timedomain.t1)]
    if isinstance(space, shapes.PointCloud) or not isinstance(space, shapes.geometry.Geometry):
        raise UserError(
            f"geometry: {type(space).__name__} has no box; expected one of deepxde.geometry with a "
            "volume: hand a `genlab.pde.Domain` to the sampler"
        )
    sides = space.bbox
    if isinstance(space, shapes.Ellipse):
        # Its own box ends at the smaller of the two axes, on the upper side.
        sides = space.center - space.semimajor, space.center + space.semimajor
    box = [*zip(*(side.tolist() for side in sides), strict=True), *time]
    if isinstance(space, shapes.Interval | shapes.Hypercube):
        return Box(box)
    if isinstance(space, shapes.Disk) and not time:
        return Disk(center=tuple(space.center.tolist()), radius=float(space.radius))

    def inside(x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        return torch.from_numpy(np.asarray(space.inside(x[:, : space.dim].numpy()), dtype=bool))

    return IndicatorDomain(box, inside)


class AdaptiveAnchors(dde.callbacks.Callback):  # type: ignore[misc]
    """Anchors that a sampler chooses, in the place of all points of the PDE's loss.

    Each residual counts by ``(|Omega| q)^{-1/2}``, handed to it as an auxiliary variable; see
    `PointSchedule` (arXiv:2112.14038). Points of boundary and initial conditions stay as they are,
    and no anchor lies there. Test points count the same.

    >>> import genlab
    >>> interval = dde.geometry.Interval(-1, 1)
    >>> data = dde.data.PDE(interval, lambda x, u: dde.grad.hessian(u, x), [], num_domain=20)
    >>> model = dde.Model(data, dde.nn.FNN([1, 8, 1], "tanh", "Glorot normal"))
    >>> model.compile("adam", lr=1e-3, verbose=0)
    >>> das = genlab.samplers.DAS(
    ...     domain=domain_of(interval), n_points=50, model=genlab.models.GMM(1)
    ... )
    >>> anchors = AdaptiveAnchors(das, refresh=2)
    >>> _ = model.train(iterations=3, callbacks=[anchors], display_every=3, verbose=0)
    >>> data.train_x_all.shape, das.round
    ((50, 1), 2)

    Args:
        sampler: Chooses the points; `domain_of` is the domain of a geometry.
        **schedule: Options of `PointSchedule`.

    Attributes:
        schedule: The sampler's points, and what each counts.

    Raises:
        UserError: The model's data are no PDE, have auxiliary variables already, or have another
            number of coordinates than the sampler's domain.
    """

    def __init__(self, sampler: Sampler, **schedule: Unpack[ScheduleOptions]) -> None:
        super().__init__()
        self.schedule = PointSchedule(sampler, **schedule)

    def init(self) -> None:
        """Take the PDE of the model that is to be trained."""
        data = self.model.data
        if not isinstance(data, dde.data.PDE):
            raise UserError(f"data: expected deepxde.data.PDE, got {type(data).__name__}")
        if data.auxiliary_var_fn is not None:
            raise UserError("auxiliary_var_function: expected none; the adapter weighs by it")
        if (dim := self.schedule.sampler.domain.dim) != data.geom.dim:
            raise UserError(f"sampler: its domain has dim {dim}, expected {data.geom.dim}")
        self._residual = data.pde
        data.pde = _weighted(data.pde)
        data.auxiliary_var_fn = lambda x: np.ones((len(x), 1))
        # Computed anew when they are next asked for, now with auxiliary variables.
        data.test_x = data.test_y = data.test_aux_vars = None
        self.schedule.begin(self._indicator)
        self._place()

    def on_epoch_end(self) -> None:
        """Count a step, and place other anchors when it is time."""
        if self.schedule.step(self._indicator):
            self._place()

    def _place(self) -> None:
        points, data = self.schedule.points, self.model.data
        assert points is not None
        x = points.x.cpu().numpy()
        beside = data.geom.on_boundary(x)
        if isinstance(data.geom, dde.geometry.GeometryXTime):
            beside = beside | data.geom.on_initial(x)
        data.replace_with_anchors(x[~beside])
        # The points of conditions come first; their rows of a residual are not looked at.
        data.train_aux_vars[sum(data.num_bcs) :, 0] = self.schedule.weights.cpu().numpy()[~beside]

    def _indicator(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """The sum of the squared residuals of all equations."""
        residuals = self.model.predict(x.cpu().numpy(), operator=self._residual)
        equations = residuals if isinstance(residuals, list) else [residuals]
        squares = [np.square(r.astype(np.float64)).reshape(len(x), -1).sum(1) for r in equations]
        return torch.from_numpy(np.sum(squares, axis=0))


def _weighted(residual: Callable[..., Any]) -> Callable[..., Any]:
    """A residual that is multiplied by its auxiliary variable."""

    def weighted(x: Any, u: Any, weights: Any) -> list[Tensor]:
        found = residual(x, u)
        equations = found if isinstance(found, list | tuple) else [found]
        return [r * rowwise(weights[:, 0], r) for r in equations]

    return weighted
