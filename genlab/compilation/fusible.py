"""Operations of few numbers, written so that a compiler can fuse them with what is around.

A gather from a short table and a product over one or two columns are calls of their own, with
results that go through memory. As comparisons and sums of two numbers they disappear in the loop of
their neighbours. Torch's own operations are left in eager steps, where they are faster. Where the
numbers are many, each function here returns ``NotImplemented``.
"""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor

__all__ = ["add_to_table", "narrow_affine", "narrow_product", "table_entries"]

# Entries of a table that are compared one by one; columns that are multiplied one by one.
LONGEST_TABLE = 64
WIDEST = 2


def table_entries(table: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """``torch.gather`` from a short table, by a comparison with each of its places.

    >>> table, index = torch.arange(6.0).view(3, 2), torch.tensor([[2, 0]])
    >>> table_entries(table, 0, index)
    tensor([[4., 1.]])

    Args:
        table: ``[K, *rest]``, of few places ``K``.
        dim: 0.
        index: ``[J, *rest]``: the places.
        sparse_grad: As ``torch.gather`` has it.
    """
    if not _is_short(table, dim) or index.shape[1:] != table.shape[1:]:
        return NotImplemented  # type: ignore[no-any-return]
    # Comparisons as wide as what is chosen are made of many places at once.
    index, entries = index.to(table.dtype), table.unbind(0)
    first = entries[0].expand(index.shape)
    return reduce(
        lambda found, place: torch.where(index == place[0], place[1], found),
        enumerate(entries[1:], 1),
        first,
    )


def add_to_table(table: Tensor, dim: int, index: Tensor, values: Tensor) -> Tensor:
    """``torch.scatter_add`` to a short table, of which each place looks for what is its own.

    >>> table, index = torch.zeros(3, 2), torch.tensor([[2, 0]])
    >>> add_to_table(table, 0, index, torch.ones(1, 2))
    tensor([[0., 1.],
            [0., 0.],
            [1., 0.]])

    Args:
        table: ``[K, *rest]``, of few places ``K``.
        dim: 0.
        index: ``[J, *rest]``: the places.
        values: What is added, ``[J, *rest]``.
    """
    if not _is_short(table, dim) or index.shape[1:] != table.shape[1:]:
        return NotImplemented  # type: ignore[no-any-return]
    places = torch.arange(len(table), dtype=table.dtype).view(-1, *[1] * (table.ndim - 1))
    pairs = zip(index.to(table.dtype).unbind(0), values.unbind(0), strict=True)
    return reduce(
        lambda sum_, pair: sum_ + torch.where(places == pair[0], pair[1], 0), pairs, table
    )


def narrow_product(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b`` over one or two columns, as outer products.

    >>> a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]])
    >>> narrow_product(a, b)
    tensor([[11.]])

    Args:
        a: ``[n, k]``.
        b: ``[k, m]``.
    """
    if not 1 <= a.shape[1] <= WIDEST:
        return NotImplemented  # type: ignore[no-any-return]
    products = [
        column.unsqueeze(1) * row for column, row in zip(a.unbind(1), b.unbind(0), strict=True)
    ]
    return sum(products[1:], products[0])


def narrow_affine(
    bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """``bias + a @ b`` likewise; not with factors.

    >>> narrow_affine(torch.ones(1), torch.tensor([[2.0]]), torch.tensor([[3.0]]))
    tensor([[7.]])

    Args:
        bias: ``[m]`` or ``[n, m]``.
        a: ``[n, k]``.
        b: ``[k, m]``.
        beta: Factor of the bias.
        alpha: Factor of the product.
    """
    if beta != 1 or alpha != 1 or not 1 <= a.shape[1] <= WIDEST:
        return NotImplemented  # type: ignore[no-any-return]
    return bias + narrow_product(a, b)


def _is_short(table: Tensor, dim: int) -> bool:
    return dim == 0 and table.ndim > 1 and 1 <= len(table) <= LONGEST_TABLE
