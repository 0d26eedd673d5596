"""A program as ONNX, where torch's converter bears it.

Three operations that samples take are unknown to it, and two that log-densities take lose their
tails by it: all are written here in ones that it knows and that keep them.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram

from genlab.assembly.export.programs import Program

__all__ = ["KNOWN", "write_onnx"]

aten = torch.ops.aten
# Unknowns of linear equations that are eliminated one by one, some operations each.
LARGEST = 64
# Nodes beyond which the converter simplifies nothing, as that takes the square of their number.
LONGEST = 1000


def write_onnx(program: Program, path: Path) -> str | None:
    """Write a program as ONNX.

    Args:
        program: The program.
        path: The file.

    Returns:
        None where it is written, and the converter's message in one line where it is not.
    """
    noise = io.StringIO()
    logging.disable(logging.WARNING)  # the converter's own progress
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(noise):
            warnings.simplefilter("ignore")
            made = torch.onnx.export(
                _in_known_operations(program.program),
                input_names=[one["name"] for one in program.inputs],
                output_names=[program.name],
                dynamo=True,
                verbose=False,
                optimize=len(program.program.graph.nodes) <= LONGEST,
            )
        assert made is not None
        made.save(path)
    except Exception as error:  # of whatever kind, it is the converter's answer
        return _message(error)
    finally:
        logging.disable(logging.NOTSET)
    return None


def _in_known_operations(program: ExportedProgram) -> ExportedProgram:
    """The program without operations of `KNOWN`; as it is where it has none: traces are slow."""
    parts = (part for part in program.graph_module.modules() if isinstance(part, fx.GraphModule))
    if any(node.target in KNOWN for part in parts for node in part.graph.nodes):
        program = program.run_decompositions(KNOWN)
    return program


def _searchsorted(
    edges: Tensor, x: Tensor, *, right: bool = False, side: str | None = None, **rest: object
) -> Tensor:
    """The number of edges below each x, those at it included where ``right``."""
    included = right or side == "right"
    below = edges[..., None, :] <= x[..., None] if included else edges[..., None, :] < x[..., None]
    return below.sum(-1)


def _solve(a: Tensor, b: Tensor, *, left: bool = True) -> Any:
    """``a^{-1} b`` by Gauss and Jordan: each column by the largest of the rows not yet taken."""
    dim = a.shape[-1]
    if dim > LARGEST or not left:
        return NotImplemented
    both, taken = torch.cat((a, b), dim=-1), torch.zeros_like(a[..., 0], dtype=torch.bool)
    pivots = []
    for i in range(dim):
        column = both[..., i]
        largest = column.abs().masked_fill(taken, -1.0).argmax(-1, keepdim=True)
        pivot = largest == torch.arange(dim)
        row = torch.where(pivot[..., None], both, 0.0).sum(-2, keepdim=True)
        row = row / row[..., i : i + 1]
        both = torch.where(pivot[..., None], row, both - column[..., None] * row)
        taken = taken | pivot
        pivots.append(pivot)
    return torch.stack(pivots, dim=-2).to(b.dtype) @ both[..., dim:]


def _solve_triangular(
    a: Tensor, b: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Any:
    part = a.triu(int(unitriangular)) if upper else a.tril(-int(unitriangular))
    if unitriangular:
        part = part + torch.eye(a.shape[-1], dtype=a.dtype)
    return _solve(part, b, left=left)


def _log_sigmoid(x: Tensor) -> Tensor:
    """``min(x, 0) - log(1 + e^{-|x|})``: of a sigmoid the logarithm is infinite from -18 on."""
    return x.clamp(max=0) - (-x.abs()).exp().log1p()


def _logaddexp(a: Tensor, b: Tensor) -> Tensor:
    """By the larger of both: the sum of two exponentials is infinite or 0 beyond 88."""
    return torch.stack(torch.broadcast_tensors(a, b)).logsumexp(0)


KNOWN: dict[Any, Callable[..., Any]] = {
    aten.log_sigmoid.default: _log_sigmoid,
    aten.logaddexp.default: _logaddexp,
    aten.searchsorted.Tensor: _searchsorted,
    aten.linalg_solve.default: _solve,
    aten.linalg_solve_triangular.default: _solve_triangular,
}
"""In ONNX's own operations, by what they stand for."""


def _message(error: BaseException) -> str:
    """The innermost cause, which says what the converter does not know."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200] if lines else ''}"
