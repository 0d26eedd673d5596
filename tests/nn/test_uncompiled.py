"""What a compiler leaves alone is left alone, and costs no import of one."""

from __future__ import annotations

import sys

import pytest
import torch

from genlab.nn.uncompiled import uncompiled


@uncompiled
def inside(x: torch.Tensor) -> torch.Tensor:
    return x.sinh()


def around(x: torch.Tensor) -> torch.Tensor:
    return inside(x.cosh()).tan()


def test_a_compiler_sees_what_is_around_alone() -> None:
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        graphs.append(str(graph.graph))
        return graph.forward

    x = torch.rand(3)
    torch.testing.assert_close(torch.compile(around, backend=backend)(x), around(x))
    seen = "".join(graphs)
    assert ("cosh" in seen, "tan" in seen, "sinh" in seen) == (True, True, False)


def test_without_a_compiler_none_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch._dynamo", raising=False)
    torch.testing.assert_close(inside(torch.zeros(2)), torch.zeros(2))
    assert "torch._dynamo" not in sys.modules


@pytest.mark.slow
def test_the_families_are_imported_without_one() -> None:
    import subprocess

    code = "import sys, genlab.models; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
