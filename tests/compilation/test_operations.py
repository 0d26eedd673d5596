"""Every operation that programs do in C++ gives torch's own numbers, at the edges too."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.fx import Graph

from genlab.compilation.compiler import FLAGS
from genlab.compilation.fusible import add_to_table, narrow_product, table_entries
from genlab.compilation.library import Library
from genlab.compilation.lowering import Lowering
from genlab.compilation.operations import OPERATIONS
from genlab.compilation.process import cxx
from genlab.compilation.source import written
from genlab.compilation.trace import trace

F = torch.nn.functional
aten = torch.ops.aten
FLOATS = (torch.float32, torch.float64)
# Far out, next to nothing, and where formulas of activations change.
EDGES = (
    *(float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0, -2.5),
    *(1e-40, -1e-40, 1e-9, -1e-9, 3e38, -3e38, 1e6, 19.9, 20.1, -20.1, 88.8, -88.8, -104.0, 0.3),
)
WHOLE = (0, 1, 2, 3, 7, -1, -2, -7, 2**40 + 1, -(2**40))

ONE = ("abs", "acos", "asin", "atan", "ceil", "clone", "cos", "erf", "erfc", "exp", "expm1")
ONE += ("floor", "isinf", "isnan", "lgamma", "log", "log1p", "neg", "reciprocal", "relu", "rsqrt")
ONE += ("sigmoid", "sign", "sin", "sqrt", "tan", "tanh", "trunc")
OF_ONE: dict[str, Callable[[Tensor], Tensor]] = {
    **{name: getattr(torch, name) for name in ONE},
    **{name: getattr(F, name) for name in ("elu", "leaky_relu", "logsigmoid", "silu")},
    # Torch's own is NaN at infinity.
    "gelu": lambda x: F.gelu(x.clamp(-1e6, 1e6)),
    "softplus": F.softplus,
    "softplus beta": lambda x: F.softplus(x, beta=2.0, threshold=5.0),
    "hardtanh": F.hardtanh,
    "logit": lambda x: x.logit(eps=1e-6),
    "clamp": lambda x: x.clamp(-0.3, 0.4),
    "clamp_min": lambda x: x.clamp_min(0.1),
    "clamp_max": lambda x: x.clamp_max(0.1),
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "root": lambda x: x**0.5,
    "inverse": lambda x: x**-1.5,
    "base": lambda x: torch.pow(2.0, x),
    "remainder": lambda x: x.remainder(0.7),
    "remainder below": lambda x: x.remainder(-6.28),
    "bool": lambda x: x.to(torch.bool),
    "other type": lambda x: x.to(torch.float64 if x.dtype == torch.float32 else torch.float32),
    "compared": lambda x: (x == 1) | (x <= -0.5) & (x != 0.3) | (x >= 1e6),
    "infinite": lambda x: torch.where(x > 0, x, float("-inf")),
    "logical_not": torch.logical_not,
}
OF_TWO: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    **{name: getattr(torch, name) for name in ("add", "atan2", "div", "eq", "ge", "gt", "le")},
    **{name: getattr(torch, name) for name in ("lt", "maximum", "minimum", "mul", "ne", "pow")},
    **{name: getattr(torch, f"logical_{name}") for name in ("and", "or", "xor")},
    **{name: getattr(torch, name) for name in ("sub", "logaddexp", "xlogy")},
    # Torch's own is NaN for more turns than the type can count.
    "remainder": lambda x, y: x.clamp(-1e6, 1e6).remainder(y.clamp_min(0.3)),
    "where": lambda x, y: torch.where(x < y, x, y),
    "clamp": lambda x, y: x.clamp(min=y, max=x * 2),
    "lerp": lambda x, y: torch.lerp(x, y, 0.25),
    "alpha": lambda x, y: torch.sub(x.clamp(-1e6, 1e6), y, alpha=3),
    "in place": lambda x, y: (x + y).mul_(y).add_(x).clamp_(-5, 5),
}
OF_WHOLE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    **{name: getattr(torch, name) for name in ("add", "div", "eq", "lt", "maximum", "mul", "sub")},
    **{name: getattr(torch, f"logical_{name}") for name in ("and", "or", "xor")},
    "remainder": lambda j, k: j.remainder(3) + j.remainder(-3) + k % 7,
    "power": lambda j, k: j**2 + k,
    "not": lambda j, k: ~j & k,
    "truths": lambda j, k: ~(j > k) | (j == 2.5) ^ (k > 0.5),
    "chosen truths": lambda j, k: torch.where(j > k, k > 2, True),
    "of a truth": lambda j, k: ((j > 0) == 2) | ((k > 0) < 0.5),
    "floating": lambda j, k: j * 0.5 + k.to(torch.float32),
    "narrow": lambda j, k: j.to(torch.uint8) + k.to(torch.uint8),
    "filled": lambda j, k: j.masked_fill(j > k, 2.5) + (j > 0).masked_fill(k > 2, 0),
    "half": lambda j, k: j.to(torch.int32) * 3 - k.to(torch.int32),
    "sums": lambda j, k: j.sum(0) + (k > 0).sum() + (k > 0).cumsum(1)[0] + j.amax(1) + k.amin(),
    "extremes": lambda j, k: (j > 2).amax(1) ^ (j > -9).amin(0),
    "product": lambda j, k: (j @ k.T).sum(1) + (j[:, :2] @ k[:2]).sum(1),
}
SHAPED: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda x: x.sum(0) + x.sum((1, 2)).sum() + x.sum(-1, keepdim=True)[0],
    "all of it": lambda x: x.sum() + x.mean() + x.amax() - x.amin(),
    "mean": lambda x: x.mean((0, 2)) + x.mean(1).mean(),
    "amax": lambda x: x.amax((0, 1)) - x.amin(-1).amin(0).sum(),
    "any": lambda x: (x > 1).any(0) & (x < 9).all(0) | (x > 2).any(),
    "cumsum": lambda x: x.cumsum(0) + x.cumsum(1) + x.cumsum(-1).flip(0, 2),
    "logsumexp": lambda x: x.logsumexp(1) + x.softmax(1).sum(1) + x.log_softmax(-1).sum(1),
    "flip": lambda x: x.flip(1)[:, ::2].mT.reshape(-1),
    "nested": lambda x: torch.cat([x.flatten(), torch.cat([x.mT.flatten(), x.sum(0).flatten()])]),
    "twice": lambda x: torch.cat([x.exp().flatten(), x.exp().mT.flatten(), x.exp().flatten()]),
    "pad": lambda x: F.pad(x, (1, -1, 2, 0), value=-7.0),
    "stack": lambda x: torch.stack((x, x.sin(), x), -1)[..., 1:],
    "table": lambda x: x.gather(0, (x[:1] > 0).long().clamp_max(len(x) - 1)),
    "counted": lambda x: x + torch.arange(x.shape[2]) * 2 + torch.arange(1.0, 2.0, 0.25)[1],
    "every other": lambda x: aten.slice_scatter(x, x[:, ::3] * 2, 1, 0, None, 3),
    "pieces": lambda x: x.split(2, 1)[-1].sum() + x.split_with_sizes((1, x.shape[1] - 1), 1)[1],
    "constant": lambda x: aten.full_like(x, 0.1) * x + aten.zeros([3, 1, 1, 1]) - aten.ones([1]),
    "steps": lambda x: x[:, ::2].sum(0) * x.select(1, -1)[0] + x.narrow(1, 0, 1)[0, 0],
}
SHAPES = ((3, 4, 5), (1, 7, 1), (2, 1, 3))
PRODUCTS: dict[str, Callable[[Tensor], Tensor]] = {
    "mm": lambda x: x[0].T @ x[0] + (x[0].T @ x[0]).T @ x.sum((0, 1)).diag_embed(),
    "narrow": lambda x: x[0][:, :1] @ x[0][:1],
    "bmm": lambda x: torch.bmm(x.mT, x) + torch.bmm(x[:1].mT.expand(len(x), -1, -1), x.flip(1)),
    "affine": lambda x: torch.addmm(x[0, 0], x[0].T, x[0], beta=0.5, alpha=2.0),
    "every other row": lambda x: x[0, ::2] @ x[0].T[:, ::2],
    "one column": lambda x: x[0] @ x[0, 0],
    "none": lambda x: x[0, :0].T @ x[0, :0] + x[0].sum(),
}


def empty(x: Tensor) -> list[Tensor]:
    """Totals of no numbers, and of a tensor without axes."""
    none, one = x[:0], x[0, 0]
    return [
        *(none.sum(0), none.sum(), none.mean(), none.sum(1), none.cumsum(0), none.cumsum(1)),
        *(one.sum(0), one.cumsum(0), one.logsumexp(0), one.amax(), (none > 0).any(0)),
        *((none > 0).all(), torch.cat((none, x)), torch.cat((none.flatten(), x.flatten()))),
    ]


def cases(dtype: torch.dtype, inputs: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Results by name."""
    x = inputs["edges"].to(dtype)
    for name, one in OF_ONE.items():
        yield name, one(x)
    for name, two in OF_TWO.items():
        yield f"{name} of two", two(x[:, None], x)
    for name, two in OF_WHOLE.items() if dtype == torch.float32 else ():
        yield f"{name} of whole numbers", two(inputs["whole"], inputs["other"])
    for shape in SHAPES:
        some = inputs[f"{shape}"].to(dtype)
        for name, one in (SHAPED | PRODUCTS).items():
            yield f"{name} of {shape}", one(some)
    for number, found in enumerate(empty(inputs["(3, 4, 5)"].to(dtype)[0])):
        yield f"empty {number}", found
    # Compared as a tensor with a number is, in the tensor's type.
    yield "of another type", x > inputs["(1, 7, 1)"][0, 0, 0].clamp(0.3, 0.3)


def an_input() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    whole = torch.tensor(WHOLE)
    return {
        "edges": torch.tensor(EDGES, dtype=torch.float64),
        "whole": whole.expand(10, 10).contiguous(),
        "other": torch.randint(-9, 9, (10, 10), generator=generator),
        **{
            f"{shape}": torch.randn(shape, generator=generator, dtype=torch.float64)
            for shape in SHAPES
        },
    }


def everything(*inputs: Tensor) -> list[Tensor]:
    names = ("edges", "whole", "other", *map(str, SHAPES))
    named = dict(zip(names, inputs, strict=True))
    return [found for dtype in FLOATS for _, found in cases(dtype, named)]


def traced() -> tuple[Graph, list[Tensor]]:
    inputs = [*an_input().values()]
    graph = trace(everything, *inputs)
    graph.eliminate_dead_code()
    return graph, inputs


def test_operations_in_cpp_are_those_of_torch(tmp_path: Path) -> None:
    graph, inputs = traced()
    targets = {getattr(node.target, "overloadpacket", None) for node in graph.nodes}
    # What types of half the precision become is never met.
    assert OPERATIONS.keys() - targets <= {torch.ops.prims.convert_element_type}
    program = written(Lowering(graph))
    (tmp_path / "code.cpp").write_text(program.code)
    library = tmp_path / "code.so"
    subprocess.run([cxx(), *FLAGS, str(tmp_path / "code.cpp"), "-o", str(library)], check=True)
    code = Library(library, json.loads(json.dumps(program.facts)))
    # No number is read before it is written.
    code._arena.fill_(255)
    found = iter(code.run(inputs))
    apart = []
    for dtype in FLOATS:
        for name, expected in cases(dtype, an_input()):
            ours = next(found)
            assert (ours.shape, ours.dtype) == (expected.shape, expected.dtype), name
            few = 20 * torch.finfo(dtype).eps  # roundings
            if not torch.allclose(ours, expected, rtol=few, atol=few, equal_nan=True):
                apart.append(f"{name}, {dtype}:\n{ours}\n{expected}")
    assert not apart, "\n\n".join(apart)


def test_short_tables_are_gathered_from_and_added_to_as_torch_does() -> None:
    table, index = torch.randn(9, 2, 5), torch.randint(9, (2, 2, 5))
    assert torch.equal(table_entries(table, 0, index), table.gather(0, index))
    values = torch.randn(2, 2, 5)
    expected = table.scatter_add(0, index, values)
    torch.testing.assert_close(add_to_table(table, 0, index, values), expected)
    assert table_entries(table, 1, index) is NotImplemented
    a, b = torch.randn(4, 2), torch.randn(2, 3)
    torch.testing.assert_close(narrow_product(a, b), a @ b)
    assert narrow_product(b, torch.randn(3, 4)) is NotImplemented
