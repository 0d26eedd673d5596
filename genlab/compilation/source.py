"""The C++ of a program, and what is to be known of it when it is loaded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from genlab.compilation.formulas import C_TYPES, HELPERS
from genlab.compilation.loops import Block, Loops
from genlab.compilation.lowering import Lowering
from genlab.compilation.values import Stored, UnloweredError
from genlab.compilation.work import Product, blocks_of

__all__ = ["Program", "written"]

HEAD = """#include <cmath>
#include <cstdint>
#include <limits>
typedef void (*gemm)(const char*, const char*, const int*, const int*, const int*, const void*,
                     const void*, const int*, const void*, const int*, const void*, void*,
                     const int*);
template <typename T>
static void product(gemm multiply, const char* ta, const char* tb, int m, int n, int k, const T* a,
                    int lda, const T* b, int ldb, T* c, int ldc) {
  const T one = 1, zero = 0;
  multiply(ta, tb, &m, &n, &k, &one, a, &lda, b, &ldb, &zero, c, &ldc);
}
"""
ALIGNMENT = 64


class Program(NamedTuple):
    """A program and its description.

    Attributes:
        code: C++ that needs no header but those of the language.
        facts: What JSON holds of it: bytes of memory that it works in; its outputs, and the calls
            of torch between its parts, by `Tensors`' words of each tensor.
    """

    code: str
    facts: dict[str, Any]


def written(lowering: Lowering) -> Program:
    """The program of what has to be done."""
    places, size = _laid_out(lowering)
    functions: dict[tuple[str, str], str] = {}
    parts: list[list[str]] = [[]]
    calls = []

    def address(block: Block, offset: int) -> str:
        kind = C_TYPES[block.dtype]
        if block.number is not None:
            return f"({kind}*)memory[{block.number}] + {offset}"
        return f"({kind}*)(arena + {places[block] + offset * block.dtype.itemsize})"

    def words(value: Any) -> Any:
        """A tensor, or an argument of torch's, as JSON has it."""
        if isinstance(value, Stored):
            block = value.block
            begin = 0 if block.number is not None else places[block] // block.dtype.itemsize
            kind = str(block.dtype).removeprefix("torch.")
            layout = [value.offset + begin, list(value.shape), list(value.strides)]
            return {"tensor": [block.number, kind, *layout]}
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, float) and not math.isfinite(value):
            raise UnloweredError(f"{value}: expected finite arguments of torch's operations")
        return [words(part) for part in value] if isinstance(value, list | tuple) else value

    for work in lowering.work:
        if isinstance(work, Loops):
            name = functions.setdefault(work.source(), f"loops_{len(functions)}")
            arguments = ", ".join(address(*pointer) for pointer in work.pointers)
            parts[-1].append(f"{name}({arguments});")
        elif isinstance(work, Product):
            parts[-1] += _products(work, address)
        else:
            named = {name: words(value) for name, value in work.keywords.items()}
            given, outs = words(work.arguments), [words(out) for out in work.outs]
            overload = [work.target.overloadpacket.__name__, work.target._overloadname]
            calls.append([*overload, given, named, outs])
            parts.append([])
    code = [HEAD, HELPERS]
    for (parameters, body), name in functions.items():
        code.append(f"__attribute__((noinline)) static void {name}({parameters}) {{\n{body}\n}}\n")
    for number, lines in enumerate(parts):
        code.append(
            f'extern "C" void part_{number}(void** memory, char* arena, gemm* multiply) {{\n'
            + "\n".join(lines)
            + "\n}\n"
        )
    facts = {"bytes": size, "calls": calls, "outputs": [words(out) for out in lowering.outputs]}
    return Program("".join(code), facts)


def _products(work: Product, address: Callable[[Block, int], str]) -> Iterator[str]:
    """Calls of BLAS, which counts columns first: ``out^T = b^T a^T``."""
    out, a, b = work.out, work.a, work.b
    (m, k), n = a.shape[-2:], b.shape[-1]
    if not m * n:
        return
    (op_a, ld_a), (op_b, ld_b) = (one.leading or ("N", 1) for one in (a, b))
    which, kind = (0, "float") if out.dtype == torch.float32 else (1, "double")
    places = [address(one.block, one.offset) for one in (b, a, out)]
    if len(out.shape) == 3:
        yield f"for (int64_t i = 0; i < {out.shape[0]}; ++i)"
        strides = (one.strides[0] for one in (b, a, out))
        places = [f"{place} + {stride} * i" for place, stride in zip(places, strides, strict=True)]
    yield (
        f'product<{kind}>(multiply[{which}], "{op_b}", "{op_a}", {n}, {m}, {k}, '
        f"{places[0]}, {ld_b}, {places[1]}, {ld_a}, {places[2]}, {n});"
    )


def _laid_out(lowering: Lowering) -> tuple[dict[Block, int], int]:
    """Where each block lies, in bytes; one that is no more needed makes room for others."""
    spans: dict[Block, list[int]] = {}
    for time, work in enumerate(lowering.work):
        for block in blocks_of(work):
            spans.setdefault(block, [time, time])[1] = time
    for out in lowering.outputs:
        spans[out.block][1] = len(lowering.work)
    places: dict[Block, int] = {}
    size = 0
    for block, (first, _) in spans.items():
        if block.number is not None:
            continue
        length = _length(block)
        taken = sorted(
            (place, place + _length(other))
            for other, place in places.items()
            if spans[other][1] >= first
        )
        place = 0
        for begin, end in taken:
            if begin - place >= length:
                break
            place = max(place, end)
        places[block] = place
        size = max(size, place + length)
    return places, size


def _length(block: Block) -> int:
    """Bytes that it takes, and what is left free behind it."""
    return -(-block.size * block.dtype.itemsize // ALIGNMENT) * ALIGNMENT
