"""Fields drawn from a target, in units of the Gaussian that is nearest to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Unpack

import torch
from torch import Tensor

from genlab.bijections.bijection import Bijection
from genlab.bijections.elementwise_affine import Standardise
from genlab.bijections.posterior import PosteriorStandardise
from genlab.bijections.spectral import SpectralStandardise, SpectralStandardiseGiven
from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.data.field_facts import field_facts
from genlab.data.module import SetOptions
from genlab.data.target_data import TargetData
from genlab.errors import UserError
from genlab.fields import ModeClasses
from genlab.targets.target import Target

__all__ = ["FieldData", "FieldOptions", "field_units"]

KNOTS = 9
"""Numbers at which fields that come with one have a spectrum of their own."""


class FieldOptions(SetOptions):
    """The options of `TargetData` that fields have, under the same names."""

    train_size: PositiveInt | None
    val_size: PositiveInt
    test_size: PositiveInt


class FieldData(TargetData):
    """Fields of a target: an endless stream of fresh ones, or a set of a chosen size.

    Args:
        target: The distribution.
        context_dim: Length of the context that a field comes with; 0 for none.
        condition_shape: Channels and sides of the image that the context is; empty for none.
        alike: The modes that share a variance where the model works on white noise, as far as mean
            and variances tell: ``orbits`` of the square's symmetries, ``shells`` of one ``|k|``, or
            ``modes``, k and -k alone; None to standardise each number by itself instead.
        **options: Those of `TargetData`; ``event_shape`` is channels, and points along both axes.

    Raises:
        UserError: The target's fields are of another shape or come with another context, or it has
            none to make a set of.
    """

    def __init__(
        self,
        target: Target,
        *,
        context_dim: NonNegativeInt,
        condition_shape: Sequence[PositiveInt],
        alike: ModeClasses | None,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(target, **options)
        if context_dim != target.context_dim:
            raise UserError(f"context_dim={context_dim}: follows from `condition`; leave it null")
        self.condition_shape = tuple(condition_shape)
        self.alike: ModeClasses | None = alike
        self.standardise_context = context_dim > 0

    facts = staticmethod(field_facts)

    @property
    def reduction(self) -> Callable[[Tensor], Tensor] | None:
        return self.target.reduction

    def preprocessing(self, circular: Sequence[int]) -> Bijection | None:
        if not self.standardise:
            return None
        if self.condition_shape:
            factor = self.event_shape[1] // self.condition_shape[1]
            return field_units(self.event_shape, self.alike, circular, factor=factor)
        given = self.target.context_dim == 1
        return field_units(self.event_shape, self.alike, circular, given=given)


def field_units(
    event_shape: tuple[int, ...],
    alike: ModeClasses | None,
    circular: Sequence[int],
    *,
    given: bool = False,
    factor: int | None = None,
) -> Bijection:
    """What standardises fields: mode by mode, given what is known of them, or number by number.

    Args:
        event_shape: Channels, and points along both axes.
        alike: The modes that share a variance; None for fields that are not periodic.
        circular: Coordinates that are angles to the model.
        given: Whether fields come with a number, such as a time, that their spectrum follows.
        factor: Points along the sides of blocks whose means they come with; None for no such.

    Raises:
        UserError: There are such.
    """
    if circular:
        raise UserError(f"circular={list(circular)}: the values of fields are no angles; use []")
    if alike is None:
        return Standardise(event_shape)
    if factor is not None:
        return PosteriorStandardise(torch.ones(event_shape), factor=factor, alike=alike)
    if given:
        return SpectralStandardiseGiven(torch.ones(KNOTS, *event_shape), alike=alike)
    return SpectralStandardise(torch.ones(event_shape), alike=alike)
