"""A model's outline: its parts, a line each, and networks by their size."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from torch import nn

from genlab.nn.context import ContextEncoder

__all__ = ["Outlined"]


class Outlined(nn.Module):
    """A module whose ``repr`` is an outline: modules of this kind are opened, others closed.

    >>> import genlab
    >>> genlab.models.RealNVP(2, layers=3)
    RealNVP(2), 13,254 parameters
      base: StandardNormal(2)
      layers: Compose
        AlternatingCouplings
          3 x Coupling
            scalar_map: Affine(max_log_scale=2)
            conditioner: MLP, 4,418 parameters
    """

    def __repr__(self) -> str:
        head, *inner = _lines(self)
        return "\n".join([head if not inner else head + _size(self), *inner])


def _lines(module: nn.Module) -> list[str]:
    extra = module.extra_repr()
    head = type(module).__name__ + (f"({extra})" if extra else "")
    inner = [*_parts(module)] if isinstance(module, Outlined) else []
    return [head, *inner] if inner else [head + _size(module)]


def _parts(module: nn.Module) -> Iterator[str]:
    """The lines of all parts; equal ones that follow each other are counted."""
    parts: list[tuple[str, ...]] = []
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList):
            parts += [tuple(_lines(one)) for one in child]
        elif not isinstance(child, ContextEncoder):
            head, *inner = _lines(child)
            parts.append((f"{name}: {head}", *inner))
    for (head, *inner), same in groupby(parts):
        count = len([*same])
        yield f"  {count} x {head}" if count > 1 else f"  {head}"
        yield from (f"  {line}" for line in inner)


def _size(module: nn.Module) -> str:
    count = sum(parameter.numel() for parameter in module.parameters())
    return f", {count:,} parameters" if count else ""
