"""What the ``trainer`` section of a configuration says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch

from genlab.bounds import Bound, Positive, PositiveInt
from genlab.errors import UserError
from genlab.processes import check_precision

__all__ = ["TrainerSettings"]


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """How long, where and how carefully a model is trained.

    Raises:
        UserError: The precision would spoil log-densities or gradients.

    Attributes:
        max_steps: Number of training steps, exact.
        max_seconds: Stop after so many seconds of fitting, before a resume too; None: no limit.
        accelerator: Kind of device; ``auto`` takes a GPU where there is one.
        devices: Number of devices, or ``auto`` for all.
        num_nodes: Number of machines.
        strategy: How several devices share the work, ``ddp`` for data-parallel training.
        precision: Number format of parameters and computations; by ``bf16-mixed``, bfloat16 in the
            networks of a training step, and float32 in all the rest, evaluation included. Other
            half precisions are refused.
        threads: CPU threads; None for torch's own choice.
        gradient_clip: Largest norm of a step's gradient; None for no clipping.
        ema: Decay of the exponential moving average of the weights, which is what is validated,
            tested and loaded; None for the last weights themselves.
        val_every: Steps between two validations, each of which saves a checkpoint.
        log_every: Steps between two logged points.
        monitor: The validation metric that chooses the best checkpoint, the smaller the better.
        patience: Stop after so many validations without improvement; None to go on.
        warm_start: Folder of a run whose best weights to start from.
        compile: Compile the training steps: all, none, or from a step on; by ``long`` all of a run
            of many steps, where they can be compiled; by ``auto`` from when code for them is there,
            which another process makes where it pays.
        replicas: Number of runs that are trained together, of seeds one after the other.
        deterministic: Refuse operations whose result depends on the order of execution.
    """

    max_steps: PositiveInt
    max_seconds: Positive | None
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"]
    devices: PositiveInt | Literal["auto"]
    num_nodes: PositiveInt
    strategy: str
    precision: Literal["32-true", "64-true", "bf16-mixed", "bf16-true", "16-mixed", "16-true"]
    threads: PositiveInt | None
    gradient_clip: Positive | None
    ema: Annotated[float, Bound(0.0, 1.0, open_high=True)] | None
    val_every: PositiveInt
    log_every: PositiveInt
    monitor: str
    patience: PositiveInt | None
    warm_start: str | None
    compile: bool | Literal["long", "auto"] | PositiveInt
    replicas: PositiveInt
    deterministic: bool

    look = staticmethod(check_precision)

    def __post_init__(self) -> None:
        check_precision(precision=self.precision)

    @property
    def must_compile(self) -> bool:
        """Whether steps must be compiled, by ``true`` or a number, not only where they can be."""
        return self.compile not in (False, "long", "auto")

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights, and of all that is not rounded."""
        return torch.float64 if self.precision == "64-true" else torch.float32

    def refuse_gradients(self, method: object, hint: str) -> None:
        """Refuse what belongs to gradients.

        Args:
            method: What learns without any.
            hint: What learns by them, as the message says it; empty where nothing does.

        Raises:
            UserError: They are to be clipped, or their steps averaged or compiled.
        """
        compiled = self.must_compile and self.compile
        asked = {"gradient_clip": self.gradient_clip, "ema": self.ema, "compile": compiled}
        for key, value in asked.items():
            if value:
                raise UserError(
                    f"{key}={value}: {type(method).__name__} takes no gradient steps"
                    f"{hint and f'; {hint}'}"
                )
