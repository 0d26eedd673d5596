"""A model's `log_prob` and `sample` as programs that run in plain torch, without genlab."""

from __future__ import annotations

import builtins
import copy
import math
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from genlab.assembly.export.fixed import apart, fixed_log_prob, fixed_sample
from genlab.assembly.export.folding import fold_constants
from genlab.assembly.export.noise import Noise, UnexportableError, sample_from
from genlab.batch import Batch
from genlab.densities.density import Density
from genlab.densities.inference import inference, log_probs

__all__ = ["LogProb", "Program", "Sample", "log_prob_program", "sample_program", "save"]

# Rows of an example: any number that torch does not take for a constant, as 0 and 1.
EXAMPLE = 7
RAISED = re.compile(r'File ".*?(genlab/[^"]+)", line (\d+), in')


@dataclass(frozen=True)
class Program:
    """A program, and what there is to know of it.

    Attributes:
        name: ``log_prob`` or ``sample``.
        program: What torch has exported.
        inputs: The inputs in their order, as ``config.json`` lists them.
        said: How it computes what the model computes otherwise, and how far it is from it.
        noise: What its samples are made of.
    """

    name: Literal["log_prob", "sample"]
    program: ExportedProgram
    inputs: list[dict[str, Any]]
    said: dict[str, Any]
    noise: tuple[Noise, ...] = ()


class LogProb(nn.Module):
    """``(x) -> log p(x)``, or ``(x, context) -> log p(x | context)``, for n rows of each.

    Args:
        model: The density.
    """

    def __init__(self, model: Density) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Float[Tensor, " n"]:
        x, *rest = inputs
        context = rest[0] if rest else None
        _refuse(self.model, x, context)
        return self.model.log_prob(x, context)


class Sample(nn.Module):
    """``(noise, ..., context) -> x``: samples in data units, each of its row of all inputs.

    Args:
        model: The density.
        noise: What its samples are made of.
    """

    def __init__(self, model: Density, noise: Sequence[Noise]) -> None:
        super().__init__()
        self.model = model
        self.noise = tuple(noise)

    def forward(self, *inputs: Tensor) -> Float[Tensor, "n *event"]:
        drawn, rest = inputs[: len(self.noise)], inputs[len(self.noise) :]
        context = rest[0] if rest else None
        _refuse(self.model, *drawn, context)
        return sample_from(self.model, self.noise, drawn, context)


def log_prob_program(model: Density, points: Batch, dtype: torch.dtype) -> Program:
    """The program of a model's log-densities.

    Args:
        model: The model.
        points: Test points, at which it is compared with the model in double precision.
        dtype: The type of numbers that it takes and gives.

    Raises:
        UnexportableError: There is none, with the reason.
    """
    fixed = fixed_log_prob(model, points)
    inputs: list[dict[str, Any]] = [
        {"name": "x", "shape": ["n", *model.event_shape], "dtype": _word(dtype)}
    ]
    x, context = points.x.to(dtype), _cast(points.context, dtype)
    program = _exported(LogProb(fixed.model.to(dtype)), _given(x, context))
    exact = copy.deepcopy(model).cpu().double()
    with inference(exact):
        # At the points as the program's type has them.
        truth = log_probs(exact, x.double(), context)
    found = program.module()(*_given(x, context)).double()
    said = fixed.said | {"points": len(x)}
    if model.likelihood != "exact":
        # An estimate is off by its own error, as a bound by draws whose noise the digits of a point
        # seed: of two means the difference tells.
        off = (found - truth)[truth.isfinite()]
        said |= {"mean_difference": off.mean().item(), "mean_difference_se": _error(off)}
    else:
        said["max_difference"] = apart(found, truth).max().item()
    return Program("log_prob", program, inputs + _context_inputs(model, context), said)


def sample_program(model: Density, points: Batch, dtype: torch.dtype) -> Program:
    """The program of a model's samples, of given noise.

    Args:
        model: The model.
        points: Test points, whose context is that of an example.
        dtype: The type of numbers that it takes and gives.

    Raises:
        UnexportableError: There is none, with the reason.
    """
    fixed, noise = fixed_sample(model, points)
    generator = torch.Generator().manual_seed(0)
    drawn = [one.draw(len(points.x), generator, points.x.to(dtype)) for one in noise]
    context = _cast(points.context, dtype)
    program = _exported(Sample(fixed.model.to(dtype), noise), _given(*drawn, context))
    inputs: list[dict[str, Any]] = [
        {
            "name": one.name,
            "distribution": one.distribution,
            "shape": ["n", *one.shape],
            "dtype": _word(dtype),
        }
        for one in noise
    ]
    return Program("sample", program, inputs + _context_inputs(model, context), fixed.said, noise)


def _why(error: Exception) -> str:
    """The reason of a failed export in one line."""
    if isinstance(error, UnexportableError):
        return str(error)
    text = str(error)
    places = RAISED.findall(text)
    if places and "data-dependent" in text:
        file, line = places[-1]
        return f"torch.export: what {file}, line {line}, does depends on the numbers"
    first = next((line for line in text.splitlines() if line.strip()), type(error).__name__)
    return f"torch.export: {first.strip()[:200]}"


def save(program: Program, folder: Path) -> None:
    """Write a program into a folder, as ``NAME.pt2``."""
    torch.export.save(program.program, folder / f"{program.name}.pt2")


def _exported(module: nn.Module, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """A program for any number of rows.

    Raises:
        UnexportableError: torch cannot export it.
    """
    rows = Dim("n", min=0)
    example = tuple(part[:EXAMPLE] for part in _at_least(EXAMPLE, inputs))
    shapes = tuple({0: rows} for _ in example)
    named = {"inputs": shapes}
    try:
        with warnings.catch_warnings(), _symbolic_rows():
            warnings.simplefilter("ignore")
            whole = torch.export.export(module, example, dynamic_shapes=named, strict=False)
            return torch.export.export(
                fold_constants(whole), example, dynamic_shapes=shapes, strict=False
            )
    except Exception as error:  # of whatever kind, it is torch's answer to this model
        raise UnexportableError(_why(error)) from error


@contextmanager
def _symbolic_rows() -> Iterator[None]:
    """Let ``len`` of a tensor be a symbol in genlab, where Python's own makes a number of it.

    A program would be one for as many rows as its example has.
    """

    def rows(value: Any) -> Any:
        return value.shape[0] if isinstance(value, Tensor) else builtins.len(value)

    spaces = [vars(module) for name, module in sys.modules.items() if name.startswith("genlab.")]
    for names in spaces:
        names["len"] = rows
    try:
        yield
    finally:
        for names in spaces:
            del names["len"]


def _refuse(model: Density, *inputs: Tensor | None) -> None:
    """Let a program refuse numbers of another type than its own."""
    for value in inputs:
        if value is not None and value.is_floating_point():
            torch.ops.aten._assert_tensor_metadata(value, dtype=model.dtype)


def _given(*inputs: Tensor | None) -> tuple[Tensor, ...]:
    return tuple(value for value in inputs if value is not None)


def _at_least(n: int, inputs: Sequence[Tensor]) -> list[Tensor]:
    return [part.repeat(-(-n // len(part)), *[1] * (part.ndim - 1)) for part in inputs]


def _cast(context: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    if context is None:
        return None
    return context.to(dtype) if context.is_floating_point() else context.long()


def _context_inputs(model: Density, context: Tensor | None) -> list[dict[str, Any]]:
    if context is None:
        return []
    return [
        {"name": "context", "shape": ["n", *context.shape[1:]], "dtype": _word(context.dtype)}
        | ({"classes": model.context_encoder.labels} if model.context_encoder.labels else {})
    ]


def _error(values: Float[Tensor, " n"]) -> float:
    return values.std().item() / math.sqrt(len(values))


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
