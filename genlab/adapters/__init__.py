"""Samplers of collocation points in the training loops of other libraries.

`genlab.adapters.deepxde` and `genlab.adapters.pina` need the extra of the same name, and are
imported by their full names; `PointSchedule` is what both are made of, and serves any other loop.
"""

from genlab.adapters.point_schedule import PointSchedule

__all__ = ["PointSchedule"]
