"""Compiled programs, loaded and run."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["Library", "blas"]

NAMES = ("lib/libtorch_cpu.so", "lib/libtorch_cpu.dylib", "lib/torch_cpu.dll")


@functools.cache
def blas() -> tuple[int, ...] | None:
    """Where torch's own products of matrices are, in single and double precision; None unknown."""
    folder = Path(torch.__file__).parent
    path = next((folder / name for name in NAMES if (folder / name).exists()), None)
    if path is None:
        return None
    torch_cpu = ctypes.CDLL(str(path))
    if not (hasattr(torch_cpu, "sgemm_") and hasattr(torch_cpu, "dgemm_")):
        return None
    pointers = (ctypes.cast(getattr(torch_cpu, f"{kind}gemm_"), ctypes.c_void_p) for kind in "sd")
    return tuple(pointer.value or 0 for pointer in pointers)


class Library:
    """A program of `genlab.compilation.source`, compiled.

    Args:
        path: The code.
        facts: What is to be known of it.

    Raises:
        OSError: This machine cannot load it.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        code = ctypes.CDLL(str(path))
        addresses = blas()
        assert addresses is not None
        self._calls = [_Outside(*call) for call in facts["calls"]]
        self._parts = [getattr(code, f"part_{number}") for number in range(len(self._calls) + 1)]
        self._arena = torch.empty(facts["bytes"], dtype=torch.uint8)
        self._rest = (
            ctypes.c_void_p(self._arena.data_ptr()),
            (ctypes.c_void_p * 2)(*addresses),
        )
        self._outputs = facts["outputs"]

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Run the program on its inputs, some of which it changes.

        Args:
            inputs: Tensors without gaps.
        """
        memory = (ctypes.c_void_p * len(inputs))(*(part.data_ptr() for part in inputs))
        self._parts[0](memory, *self._rest)
        for call, part in zip(self._calls, self._parts[1:], strict=True):
            call.run(inputs, self._arena)
            part(memory, *self._rest)
        return [_tensor(words["tensor"], inputs, self._arena).clone() for words in self._outputs]


class _Outside:
    """An operation of torch's between two parts of a program."""

    def __init__(
        self, name: str, overload: str, arguments: Any, keywords: dict[str, Any], outs: list[Any]
    ) -> None:
        self._function = getattr(getattr(torch.ops.aten, name), overload)
        self._arguments, self._keywords, self._outs = arguments, keywords, outs

    def run(self, inputs: Sequence[Tensor], arena: Tensor) -> None:
        arguments, keywords, outs = (
            _read(words, inputs, arena) for words in (self._arguments, self._keywords, self._outs)
        )
        with torch.no_grad():
            found = self._function(*arguments, **keywords)
            results = [found] if isinstance(found, Tensor) else [r for r in found if r is not None]
            for out, result in zip(outs, results, strict=True):
                out.copy_(result)


def _read(words: Any, inputs: Sequence[Tensor], arena: Tensor) -> Any:
    """An argument of torch's, from JSON."""
    if isinstance(words, list):
        return [_read(part, inputs, arena) for part in words]
    if not isinstance(words, dict):
        return words
    if "tensor" in words:
        return _tensor(words["tensor"], inputs, arena)
    if "dtype" in words:
        return getattr(torch, words["dtype"])
    return {name: _read(part, inputs, arena) for name, part in words.items()}


def _tensor(words: Sequence[Any], inputs: Sequence[Tensor], arena: Tensor) -> Tensor:
    number, dtype, offset, shape, strides = words
    memory = arena.view(getattr(torch, dtype)) if number is None else inputs[number]
    return memory.as_strided(shape, strides, offset)
