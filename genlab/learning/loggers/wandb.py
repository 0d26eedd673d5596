"""Runs in Weights & Biases, kept here until they are synchronised, or sent as they go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal, Unpack

from genlab.learning.loggers.run_logger import RunLogger, Told
from genlab.runs.servers import look_at_wandb

__all__ = ["WandB"]

STEP = "step"


class WandB(RunLogger):
    """A run of Weights & Biases: settings as its config, scalars, and figures as images.

    Its ``step`` is a value that everything is drawn over, as the service drops what comes with a
    step below one that it has.

    Args:
        project: The project that the run is put into.
        entity: Whose it is; None for the user's own.
        mode: ``offline`` keeps it below ``wandb``, from where ``wandb sync`` sends it; ``online``
            sends it as it goes.
        tags: Tags of the run besides its `choices`, of which it has the words without their keys.
        **told: As `RunLogger` takes it.
    """

    requires = "wandb"
    look = staticmethod(look_at_wandb)

    def __init__(
        self,
        *,
        project: str = "genlab",
        entity: str | None = None,
        mode: Literal["offline", "online"] = "offline",
        tags: Mapping[str, str] | None = None,
        **told: Unpack[Told],
    ) -> None:
        super().__init__(**told)
        self.project, self.entity, self.mode = project, entity, mode
        self.tags = {**self.choices, **(tags or {})}

    def _begin(self) -> None:
        if self.mode == "offline":
            # It would report its own errors over the network.
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self._image = wandb.Image
        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            mode=self.mode,
            id=self.identity,
            name=self.title,
            tags=[*self.tags.values()],
            config=dict(self.settings),
            resume="allow",
            reinit="create_new",  # replicas are several runs at once
            # The run's record has the output, the sources and the machine.
            settings=wandb.Settings(
                console="off", silent=True, disable_git=True, x_disable_stats=True
            ),
        )
        self._run.define_metric(STEP)
        self._run.define_metric("*", step_metric=STEP)

    def _write_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        self._run.log({**scalars, STEP: step})

    def _write_figure(self, tag: str, pixels: Any, step: int) -> None:
        self._run.log({tag: self._image(pixels), STEP: step})

    def _end(self, state: str) -> None:
        self._run.finish(exit_code=int(state != "done"))
