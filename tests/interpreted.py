"""The program of a training step without a compiler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx import GraphModule

from genlab.compilation import CompiledStep, FlatRows, StepRecipe

__all__ = ["Interpreted"]


class Interpreted(CompiledStep):
    """The program of a step, run operation by operation: all but the compiler."""

    def __init__(
        self, library: Path, facts: dict[str, Any], recipe: StepRecipe, rows: FlatRows
    ) -> None:
        traced, draws = recipe.traced()
        graph = GraphModule({}, traced)

        class Runner:
            def __init__(self, *_: Any) -> None:
                pass

            def run(self, inputs: list[Tensor]) -> Any:
                with torch.no_grad():
                    return graph(*inputs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("genlab.compilation.compiled_step.Library", Runner)
            super().__init__(library, {"draws": [draw.words() for draw in draws]}, recipe, rows)
