"""What a program does not do: the work that its inputs have no part in. And ONNX's operations."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.nn.functional import logsigmoid

from genlab.assembly.export.folding import _contents, fold_constants
from genlab.assembly.export.onnx import KNOWN, write_onnx
from genlab.assembly.export.programs import Program

aten = torch.ops.aten


class Tables(nn.Module):
    """Work of constants, a constant that is filled with the input, and casts."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[2.0, 1.0], [0.0, 3.0]]))
        self.register_buffer("shift", torch.tensor([1.0, -1.0]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        table = torch.linalg.solve_triangular(self.weight, torch.eye(2), upper=True)
        low, high = (table @ table).softmax(0).unbind()
        filled = torch.zeros(2, 2)
        filled[0] = low + x.sum(0)
        return (x.to(torch.float32) * high + self.shift.exp() + filled.sum(0)).to(x.dtype)


class Layers(nn.Module):
    """Two activations that may be written over their argument, and one whose argument is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(2, 2) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        h = self.second(self.first(x).relu()).tanh()
        kept = self.third(h)
        return kept.relu() + kept


class Steps(nn.Module):
    """Steps that each make the same tables anew, and know how many went before."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[2.0, 1.0], [0.0, 3.0]]))

    def forward(self, x: Tensor) -> Tensor:
        for step in range(3):
            table = self.weight.T.exp() @ torch.eye(2).cumsum(0)
            x = x @ table + torch.full((2,), float(step)).cos()
        return x


class Wide(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sum() + torch.ones(2**21).cumsum(0)[-1]


def exported(module: nn.Module) -> ExportedProgram:
    shapes = ({0: Dim("n", min=0)},)
    return torch.export.export(module, (torch.ones(7, 2),), dynamic_shapes=shapes, strict=False)


def test_constants_are_worked_out_once() -> None:
    module = Tables().requires_grad_(False)
    found = fold_constants(exported(module))
    nodes = [node for node in found.graph.nodes if node.op == "call_function"]
    assert all(any(of.op != "get_attr" for of in node.all_input_nodes) for node in nodes)
    assert not {aten.softmax.int, aten.linalg_solve_triangular.default} & {n.target for n in nodes}
    assert all("." not in name for name, _ in found.named_buffers())
    again = torch.export.export(found, (torch.ones(7, 2),), dynamic_shapes=({0: Dim("n", min=0)},))
    for n in (3, 0, 1, 1000):  # each call finds what it fills as it was
        x = torch.randn(n, 2)
        assert torch.equal(again.module()(x), module(x))


def test_equal_constants_are_one() -> None:
    module = Steps().requires_grad_(False)
    found = fold_constants(exported(module))
    assert len([*found.buffers()]) == 1 + 3, "the table, and the shift of each step"
    x = torch.randn(5, 2)
    assert torch.equal(found(x), module(x))


def test_constants_are_equal_to_the_bit_and_in_their_layout() -> None:
    table = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    others = (
        *(table.T, table.double(), table.view(4), table[:1], table.int(), table > 0),
        *(torch.tensor(0.0), torch.tensor(-0.0), torch.zeros(0, 2), torch.zeros(2, 0)),
    )
    assert len({_contents(one) for one in (table, table.clone(), *others)}) == 1 + len(others)


def test_constants_may_be_complex() -> None:
    waves = torch.tensor([1 + 2j, 3 - 1j])
    assert _contents(waves.conj()) == _contents(waves.conj().resolve_conj()) != _contents(waves)


def test_a_constant_is_no_larger_than_what_it_is_worth() -> None:
    found = fold_constants(exported(Wide()))
    assert not list(found.buffers())
    assert found(torch.ones(3, 2)).item() == 6 + 2**21


def test_activations_take_no_memory_of_their_own() -> None:
    module = Layers().requires_grad_(False)
    again = torch.export.export(fold_constants(exported(module)), (torch.ones(7, 2),))
    targets = [node.target for node in again.graph.nodes if node.op == "call_function"]
    assert {aten.relu_.default, aten.tanh_.default, aten.relu.default} < {*targets}
    x = torch.randn(7, 2)
    found, true = x.clone().requires_grad_(), x.clone().requires_grad_()
    image = again.module()(found)
    assert torch.equal(image, module(true))
    image.sum().backward()
    module(true).sum().backward()
    torch.testing.assert_close(found.grad, true.grad)


def test_onnx_knows_what_samples_take() -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(7, 5, 5, generator=generator).double()
    a[0, 0, 0] = 0.0  # only another row can begin
    b = torch.randn(7, 5, 2, generator=generator).double()
    torch.testing.assert_close(KNOWN[aten.linalg_solve.default](a, b), torch.linalg.solve(a, b))
    a += 5 * torch.eye(5)
    for upper in (True, False):
        for unitriangular in (True, False):
            options = {"upper": upper, "unitriangular": unitriangular}
            found = KNOWN[aten.linalg_solve_triangular.default](a, b, **options)
            torch.testing.assert_close(found, torch.linalg.solve_triangular(a, b, **options))
    large = torch.eye(65)
    assert KNOWN[aten.linalg_solve.default](large, large) is NotImplemented


@pytest.mark.parametrize("right", [False, True])
def test_onnx_searches(right: bool) -> None:
    edges = torch.tensor([[0.0, 1.0, 2.0], [-1.0, -1.0, 5.0]])
    x = torch.tensor([[-1.0, 0.0, 1.5, 9.0], [-1.0, -2.0, 5.0, 6.0]])
    found = KNOWN[aten.searchsorted.Tensor](edges, x, right=right)
    assert torch.equal(found, torch.searchsorted(edges, x, right=right))


class Tails(nn.Module):
    """Logarithms of what is 0 in single precision, of one number and of two shapes."""

    def forward(self, x: Tensor) -> Tensor:
        return logsigmoid(x) + torch.logaddexp(x[:, None], 2 * x).sum(1)


def test_onnx_keeps_tails(tmp_path: Path) -> None:
    from onnx.reference import ReferenceEvaluator

    x = torch.tensor([-120.0, -30.0, -1.0, 0.0, 30.0, 120.0])
    program = Program("log_prob", torch.export.export(Tails(), (x,)), [{"name": "x"}], {})
    path = tmp_path / "tails.onnx"
    assert write_onnx(program, path) is None
    (found,) = ReferenceEvaluator(str(path)).run(None, {"x": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), Tails()(x))
