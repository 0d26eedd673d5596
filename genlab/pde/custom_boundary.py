"""The boundary of a domain that a user's file tells of, in space and where time begins."""

from __future__ import annotations

from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.pde.boundary import Boundary
from genlab.pde.domain import Domain, IndicatorDomain
from genlab.userfile import UserFile

__all__ = ["LOOKED_AT", "UserBoundary", "at_first", "given", "just_begun"]

LOOKED_AT = 1000
"""Points that tell of a whole domain."""
NEARLY = 1e-6
"""Of the time: what is no later has only just begun. Of a cutoff's largest value: it is zero."""


class UserBoundary(Boundary):
    """The boundary of a domain that a file tells by ``inside``.

    Where the file prescribes how ``u`` begins, its functions tell of the boundary in space: half of
    the points then lie where time begins, and the cutoff also vanishes there.

    Args:
        file: May define ``boundary_points`` and ``cutoff``.
        domain: The domain.
        begins: Whether the boundary in space is not all.

    Attributes:
        has_cutoff: Whether a boundary can be made hard: not where the domain moves and ``begins``,
            as no lift is known there.
    """

    def __init__(self, file: UserFile, domain: Domain, *, begins: bool) -> None:
        self.file, self.domain, self.begins = file, domain, begins
        self._points, self._cutoff = file.function("boundary_points"), file.function("cutoff")
        self.has_cutoff = self._cutoff is not None and not (begins and self._moves)
        self._with_time = begins and self.has_cutoff and not self.vanishes_at_first

    def sample(
        self, n: int, *, generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n d"]:
        if not self.begins:
            return self.in_space(n, generator, dtype)
        half = n // 2
        place = self._beginning.sample(n - half, generator=generator, dtype=dtype)
        return torch.cat((self.in_space(half, generator, dtype), at_first(self.domain, place)))

    def in_space(
        self, n: int, generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n d"]:
        """``n`` points of the file's own."""
        points = self._points
        if points is None:
            raise self.file.missing(
                "function boundary_points(n, generator), which `boundary='soft'` needs",
                "boundary_points",
                f"add it: {self.domain.dim} coordinates of each of n points on the boundary",
            )
        what, shape = f"boundary_points({n}, generator)", (n, self.domain.dim)
        x = self.file.tensor(what, lambda: points(n, generator), shape)
        return x.to(dtype or torch.get_default_dtype())

    def cutoff(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        value = self.in_cutoff(x)
        if not self._with_time:
            return value
        start, end = self.domain.box[-1]
        return value * (x[:, -1] - start) / (end - start)

    def in_cutoff(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """The file's own cutoff."""
        cutoff = self._cutoff
        if cutoff is None:
            what = "function cutoff(x), which `boundary='hard'` needs"
            raise self.file.missing(what, "cutoff", "add it: zero on the boundary, [n] of x [n, d]")
        return self.file.tensor("cutoff(x)", lambda: cutoff(x), (len(x),), given=given(x))

    @cached_property
    def vanishes_at_first(self) -> bool:
        """Whether the file's cutoff is zero where time begins."""
        place = self._beginning.sample(LOOKED_AT, generator=torch.Generator().manual_seed(0))
        first = at_first(self.domain, place)
        largest = self.in_cutoff(self._inside).abs().max()
        return bool(self.in_cutoff(first).abs().max() <= NEARLY * largest)

    @cached_property
    def _beginning(self) -> Domain:
        """The part of space that the domain fills where time begins."""

        def contains(place: Float[Tensor, "n s"]) -> Bool[Tensor, " n"]:
            return self.domain.contains(at_first(self.domain, place))

        return IndicatorDomain(self.domain.box[:-1], contains)

    @property
    def _inside(self) -> Float[Tensor, "n d"]:
        return self.domain.sample(LOOKED_AT, generator=torch.Generator().manual_seed(0))

    @property
    def _moves(self) -> bool:
        """Whether some of the domain was not in it at first."""
        return not self.domain.contains(at_first(self.domain, self._inside[:, :-1])).all()


def just_begun(domain: Domain, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
    """Whether each point lies where time, the last coordinate, begins."""
    start, end = domain.box[-1]
    return x[:, -1] <= start + NEARLY * (end - start)


def at_first(domain: Domain, place: Float[Tensor, "n s"]) -> Float[Tensor, "n d"]:
    """Points of space, where time begins."""
    return torch.cat((place, torch.full_like(place[:, :1], domain.box[-1][0])), 1)


def given(x: Tensor) -> str:
    """The shape that a function was called with, for messages."""
    return f" of x {list(x.shape)}"
