"""The ways to an experiment: from the words of a command line, from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from omegaconf import DictConfig

from genlab.assembly.solve import Solve
from genlab.assembly.training import Experiment
from genlab.config.check import check
from genlab.config.composition import compose
from genlab.config.stored import read_config
from genlab.learning.rng import rng_state, set_rng_state
from genlab.runs.directory import RunDirectory
from genlab.runs.manifest import read_manifest

__all__ = ["experiment", "from_config", "load"]

KINDS: dict[str, type[Experiment]] = {"train": Experiment, "solve": Solve}


def experiment(*overrides: str, command: Literal["train", "solve"] = "train") -> Experiment:
    """The experiment of ``genlab train``, or of another command, with the same overrides.

    >>> import genlab
    >>> run = genlab.experiment("model=realnvp", "data=moons", "trainer.max_steps=100")
    >>> metrics = run.fit()  # doctest: +SKIP

    Args:
        *overrides: As on the command line.
        command: What would be typed in front of them.

    Raises:
        UserError: An override is wrong; the message names the nearest valid choice.
    """
    config = compose(command, overrides)
    check(config)
    return from_config(config)


def from_config(config: DictConfig, directory: RunDirectory | None = None) -> Experiment:
    """The experiment of a composed and checked configuration.

    Args:
        config: The configuration.
        directory: The run directory; None to make one when it is fitted.

    Raises:
        UserError: The configuration cannot be built.
    """
    return KINDS[config.command](config, directory)


def load(run_dir: str | Path) -> Experiment:
    """The experiment of a run, with its best weights, in evaluation mode.

    A run that was stopped before its first validation has no best weights: its last are loaded.

    Raises:
        UserError: There is no run, or one of another version.
        RunError: The checkpoint is missing or damaged.
    """
    run = RunDirectory.open(run_dir)
    read_manifest(run)
    config = read_config(run)
    check(config)
    # Building a model draws its first weights: that is nothing to the caller's random numbers.
    state = rng_state()
    loaded = from_config(config, run)
    set_rng_state(state)
    loaded.restore()
    return loaded
