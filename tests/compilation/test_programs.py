"""Programs in C++ compute what the graphs that they are made of compute."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx import Graph, GraphModule

from genlab.compilation.compiler import FLAGS
from genlab.compilation.draws import Draw, UndrawableError, take_out
from genlab.compilation.library import Library
from genlab.compilation.lowering import Lowering
from genlab.compilation.process import cxx
from genlab.compilation.source import written
from genlab.compilation.trace import UntraceableError, trace
from genlab.compilation.values import UnloweredError
from genlab.compilation.work import Call

F = torch.nn.functional


def views(x: Tensor, y: Tensor, v: Tensor, k: Tensor) -> list[Tensor]:
    flat = (x + 1).reshape(-1)
    return [
        x.T.reshape(-1) * 2,
        flat[3:20:2] - flat[1],
        (x * y).view(2, 3, 4).permute(2, 0, 1).reshape(4, 6).exp(),
        x.flip(0) + x.select(1, -1)[:, None],
        torch.stack(x.unbind(1), 0) - x.T,
        v.expand(6, 4).sum(0) + v,
        torch.cat((x[:, :1] * 3, y[:, 2:], x.sin()), 1),
        F.pad(x, (1, 2), value=7.0),
        torch.cat([part.reshape(-1) for part in (x @ y.T, x.sum(0), (x * 2).T, v)]) ** 2,
    ]


def numbers(x: Tensor, y: Tensor, v: Tensor, k: Tensor) -> list[Tensor]:
    return [
        F.silu(x) + F.gelu(y) - F.softplus(x, beta=2.0) + F.logsigmoid(y) + F.elu(x),
        F.relu(x).tanh() + torch.sigmoid(y) / (1 + x.square()) + F.leaky_relu(y),
        x.clamp(-0.3, 0.4) + y.clamp_min(0.1).log() - x.abs().sqrt().log1p() + x.clamp(max=v),
        torch.where(x > y, x, -y) + (x.isnan() | (k > 2)).to(x.dtype) + (k + 1) * 2,
        torch.maximum(x, y) * torch.minimum(x, v) + torch.lerp(x, y, 0.3) + x.remainder(0.7),
        torch.addcmul(x, y, v, value=0.5) - torch.sub(x, y, alpha=3) + y.pow(3) + x.expm1(),
        torch.full((2,), float("inf"), dtype=x.dtype) - torch.arange(2, dtype=x.dtype),
        (x > 0) & ~(y > 0),
        k * 2 + k.sum(),
    ]


def totals(x: Tensor, y: Tensor, v: Tensor, k: Tensor) -> list[Tensor]:
    big = x[:, :, None] * y[:, None, :]
    return [
        big.sum((0, 2)) + big.mean(1).sum(0),
        big.sum(),
        big.amax(2) - big.amin(0).sum(0),
        big.logsumexp(1),
        big.softmax(0).log_softmax(2),
        big.cumsum(0).flip(0) + x.cumsum(1)[:, :, None],
        (x > 0).any(1).to(x.dtype).sum() + (k >= 0).all(),
        x.mean(),
    ]


def products(x: Tensor, y: Tensor, v: Tensor, k: Tensor) -> list[Tensor]:
    wide = torch.cat((x, y), 1)
    return [
        wide @ wide.T,
        torch.addmm(v, x.exp(), y.T.exp() @ x, beta=2.0, alpha=0.5),
        x.T @ y,
        torch.bmm(wide.view(2, 3, 8), wide.view(2, 3, 8).mT),
        v.expand(3, 4) @ x.T[:, :5],
        x @ v,
    ]


def outside(x: Tensor, y: Tensor, v: Tensor, k: Tensor) -> list[Tensor]:
    """What torch does between two parts."""
    image = F.conv2d(x.view(1, 1, 6, 4) * 2, y.view(1, 1, 6, 4)[:, :, :3, :3], padding=1)
    return [image.exp().sum(2), torch.special.ndtri(x.sigmoid()) * 2]


GRAPHS: list[Callable[..., list[Tensor]]] = [views, numbers, totals, products, outside]


def lowered(function: Callable[..., Any], *inputs: Tensor) -> tuple[Graph, Lowering]:
    graph = trace(function, *inputs)
    graph.eliminate_dead_code()
    return graph, Lowering(graph)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("function", GRAPHS)
def test_a_program_computes_its_graph(
    function: Callable[..., list[Tensor]], dtype: torch.dtype, tmp_path: Path
) -> None:
    x, y, v = torch.randn(3, 6, 4, dtype=dtype).unbind()
    inputs = [x.contiguous(), y.contiguous(), v[0].contiguous(), torch.arange(4)]
    graph, lowering = lowered(function, *inputs)
    program = written(lowering)
    assert any(isinstance(work, Call) for work in lowering.work) is (function is outside)
    (tmp_path / "code.cpp").write_text(program.code)
    library = tmp_path / "code.so"
    subprocess.run([cxx(), *FLAGS, str(tmp_path / "code.cpp"), "-o", str(library)], check=True)
    # Twice: no number of the first run is left.
    code = Library(library, json.loads(json.dumps(program.facts)))
    for found in (code.run(inputs), code.run(inputs)):
        tolerance = 1e-5 if dtype == torch.float32 else 1e-10
        for ours, theirs in zip(found, GraphModule({}, graph)(*inputs), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def test_parts_of_a_row_are_computed_in_place() -> None:
    def row(x: Tensor) -> list[Tensor]:
        return [torch.cat([(x.T @ x).reshape(-1), x.sum(0), (x + 1).exp().reshape(-1)])]

    _, lowering = lowered(row, torch.ones(3, 2))
    # The product, a sum and its zeros, and the rest.
    assert len(lowering.work) == 4
    assert len({work.out.block for work in lowering.work if hasattr(work, "out")}) == 1


def test_what_is_cheap_is_computed_again_and_what_is_costly_is_kept() -> None:
    def cheap(x: Tensor) -> list[Tensor]:
        return [(x + 1).sum(0), (x + 1).sum(1)]

    def costly(x: Tensor) -> list[Tensor]:
        y = x.exp()
        return [y.sum(1), y.sum()]

    assert len(lowered(cheap, torch.ones(3, 2))[1].work) == 3
    assert len(lowered(costly, torch.ones(3, 2))[1].work) == 3


def test_equal_loops_are_one_function() -> None:
    def layers(x: Tensor, w: Tensor) -> list[Tensor]:
        for weight in w.unbind():
            x = torch.tanh(x @ weight + weight[0])
        return [x]

    _, lowering = lowered(layers, torch.ones(5, 3), torch.ones(7, 3, 3))
    assert written(lowering).code.count("noinline") == 1


def test_draws_become_inputs_in_their_order() -> None:
    def drawn(x: Tensor) -> list[Tensor]:
        noise = torch.empty(3).uniform_() + torch.randn_like(x)
        return [noise * torch.rand((), dtype=torch.float64), torch.randperm(4) * 2]

    graph = trace(drawn, torch.ones(3))
    draws = take_out(graph)
    assert [draw.name for draw in draws] == ["rand", "randn", "rand", "randperm"]
    assert [Draw.of(json.loads(json.dumps(draw.words()))) for draw in draws] == draws
    torch.manual_seed(0)
    expected = drawn(torch.ones(3))
    torch.manual_seed(0)
    found = GraphModule({}, graph)(torch.ones(3), *(draw() for draw in draws))
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours, theirs)


def test_what_cannot_be_a_program_is_refused() -> None:
    with pytest.raises(UndrawableError, match="bernoulli"):
        take_out(trace(lambda x: [torch.bernoulli(x)], torch.ones(3)))
    with pytest.raises(UnloweredError, match="float16"):
        lowered(lambda x: [x.half()], torch.ones(3))
    with pytest.raises(UnloweredError, match="rounding_mode"):
        lowered(lambda x: [torch.div(x, 2, rounding_mode="floor")], torch.ones(3))
    with pytest.raises(UnloweredError, match="mul_"):
        lowered(lambda x: [(x + 1)[0].mul_(2)], torch.ones(3))


def test_what_looks_at_numbers_is_not_traced() -> None:
    """Nor what it is not given: both would be burned in."""
    looks = (
        *(lambda x: [x * x.sum().item()], lambda x: [x if x.sum() > 0 else -x]),
        *(lambda x: [x[x > 0]], lambda x: [x * x.tolist()[0]], lambda x: [x * int(x.numpy()[0])]),
        *(lambda x: [x * torch.equal(x, x)], lambda x: [x + torch.tensor([1.0, 2.0, 3.0])]),
    )
    for look in looks:
        with pytest.raises((UntraceableError, RuntimeError)):
            trace(look, torch.ones(3))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.t_(),  # square, of other strides
        lambda x: x.unsqueeze_(0),
        lambda x: x.resize_(4),
        lambda x: torch.sum(x, 0, out=torch.zeros(2)),
        lambda x: setattr(x, "data", x * 2),
    ],
)
def test_what_changes_more_than_numbers_is_not_traced(change: Callable[[Tensor], Any]) -> None:
    def changed(x: Tensor) -> list[Tensor]:
        own = x + 1
        change(own)
        return [own * 2]

    with pytest.raises(UntraceableError, match=r"it changes more|data: a tensor"):
        trace(changed, torch.ones(2, 2))


def test_a_gradient_of_zeros_that_are_nowhere_is_traced() -> None:
    def slope(x: Tensor) -> list[Tensor]:
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            return [*torch.autograd.grad((x.sgn() * x).sum(), x)]

    graph = trace(slope, torch.ones(3))
    (found,) = GraphModule({}, graph)(torch.tensor([-2.0, 0.0, 3.0]))
    assert found.tolist() == [-1, 0, 1]


def test_derivatives_forward_are_traced() -> None:
    def slopes(x: Tensor) -> list[Tensor]:
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            value, along = torch.func.jvp(lambda x: x.sin() * x.abs(), (x,), (x.detach().exp(),))
            return [along, *torch.autograd.grad((value * along).sum(), x)]

    x = torch.tensor([[0.5, -1.0, 2.0], [-0.3, 0.1, 3.0]])
    graph = trace(slopes, torch.ones(2, 3))
    torch.testing.assert_close(GraphModule({}, graph)(x), slopes(x))


def test_to_trace_leaves_inputs_and_draws_as_they_are() -> None:
    x, state = torch.ones(3), torch.get_rng_state()
    graph = trace(lambda x: [x.add_(torch.randn(3)) * 2], x)
    assert x.tolist() == [1, 1, 1]
    assert torch.equal(torch.get_rng_state(), state)
    # What reads a changed tensor reads what has changed it.
    *_, randn, added, doubled, _ = graph.nodes
    assert (str(randn.target), doubled.args[0]) == ("aten.randn.default", added)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["RealNVP", "NSF"])
def test_a_step_is_traced_without_the_import_of_a_compiler(name: str) -> None:
    code = f"""
import sys
import torch
from genlab.batch import Batch
from genlab.compilation import AdamRule, StepRecipe
from genlab.compilation.recipe import parts_of
from genlab.models import {name}
from genlab.objectives import MaximumLikelihood
model = {name}(2, layers=2)
rule = AdamRule(beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, decoupled=False)
batch = parts_of(Batch(torch.zeros(8, 2)))
settings = {{"gradient_clip": 1.0, "averaged": True, "threads": 1}}
objective = MaximumLikelihood()
StepRecipe(model=model, objective=objective, rule=rule, batch=batch, **settings).traced()
sys.exit(len({{"sympy", "torch._dynamo", "torch._inductor"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
