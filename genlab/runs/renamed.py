"""What has had another name: the one table by which runs of older versions are read.

Whatever reads a stored run reads its configuration through `current_config` or `current_settings`
and its weights through `current_weights`; nothing else knows of older names. Whoever renames

- a class or function that a ``config.yaml`` names adds a row to `TARGETS`: old path, new path;
- a key, an option, or what it stands for, a `Row` to `ROWS`, at the end;
- a parameter or buffer of a model, a row to `WEIGHTS`: the model's present target, a regular
  expression for the whole old name, and its replacement;
- a part of a checkpoint, a row to `CHECKPOINT_KEYS`.

A row leaves alone what has its present names already. The runs in ``tests/runs/old`` show whether
a row does what it should, and each new target has to be importable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from genlab.runs.settings import flatten, nested

__all__ = [
    "CHECKPOINT_KEYS",
    "ROWS",
    "TARGETS",
    "WEIGHTS",
    "Row",
    "current_config",
    "current_settings",
    "current_weights",
]

T = TypeVar("T")


class Row(NamedTuple):
    """Settings that are read as others, where a run has them.

    Attributes:
        when: Values that a run must have, by key; ``...`` stands for any, ``list`` for any list.
        put: Settings that it then gets.
        move: Keys with the key that each is now, None for one that is gone; of a section, all; of a
            list each item, where ``{}`` stands for its number.
    """

    when: Mapping[str, Any]
    put: Mapping[str, Any] = {}
    move: Mapping[str, str | None] = {}


def _taught_by(fit: str, objective: str, option: str, **when: Any) -> Row:
    """How a sampler's model learns has become the objective, as in a training."""
    return Row(
        {"sampler.fit._target_": f"genlab.samplers.{fit}", **when},
        {
            "objective._target_": f"genlab.objectives.{objective}",
            "choices.objective": option,
            "sampler.fit._target_": "genlab.samplers.Descent",
        },
    )


ROWS = (
    # What the data are called a kind of follows from them.
    Row({"choices.kind": ...}, move={"choices.kind": None}),
    # model.fit=em|gradient of gmm: objective=em|mixture_descent.
    Row({"choices.objective": "mixture", "model.fit": "em"}, {"choices.objective": "em"}),
    Row(
        {"choices.objective": "mixture", "model.fit": "gradient"},
        {"choices.objective": "mixture_descent"},
    ),
    # The fits of samplers, each a principle with its steps: an objective, and the steps of Descent.
    Row(
        {"sampler.fit._target_": "genlab.samplers.EMFit"},
        {"sampler.fit.lr": 5e-3, "sampler.fit.batch_size": 1000, "sampler.fit.gradient_clip": 5.0},
    ),
    _taught_by("EMFit", "EM", "em"),
    _taught_by("LikelihoodFit", "MixtureDescent", "mixture_descent", **{"model.fit": "gradient"}),
    _taught_by("LikelihoodFit", "MaximumLikelihood", "maximum_likelihood"),
    Row(
        {"sampler.fit._target_": "genlab.samplers.RegularisedFit"},
        {"objective.jacobian": 0.0, "objective.val_rows": 2000},
        {"sampler.fit.kinetic": "objective.kinetic"},
    ),
    _taught_by("RegularisedFit", "RegularisedLikelihood", "regularised_likelihood"),
    Row(
        {"sampler.fit._target_": "genlab.samplers.ELBOFit"},
        {"objective.beta": 1.0, "objective.free_bits": 0.0, "objective.annealing": 0.2},
        {"sampler.fit.importance_samples": "objective.importance_samples"},
    ),
    _taught_by("ELBOFit", "ELBO", "elbo"),
    Row(
        {"sampler.fit._target_": "genlab.samplers.FlowMatchingFit"},
        {"objective.context_dropout": 0.1, "objective.val_rows": 1000},
        {"sampler.fit.coupling": "objective.coupling", "sampler.fit.times": "objective.times"},
    ),
    _taught_by("FlowMatchingFit", "VelocityRegression", "flow_matching"),
    Row({"model.fit": ...}, move={"model.fit": None}),
    # A solve names the objective of its sampler's model, or that there is none.
    *(
        Row(
            {"command": "solve", "sampler._target_": f"genlab.samplers.{sampler}"},
            {"objective": None},
        )
        for sampler in ("AAS", "Uniform", "LatinHypercube", "Sobol", "RAD", "RARD", "R3")
    ),
    # model=nsf is one of three classes, which a function chooses from; of them none has a variant
    # and all that goes with it.
    Row(
        {"model._target_": "genlab.models.NSF", "model.variant": ...},
        {"model._target_": "genlab.models.neural_spline_flow"},
    ),
    # A coupling is a layer; source and data are paired.
    Row({"choices.coupling": ...}, move={"choices.coupling": "choices.pairing"}),
    Row({"objective.coupling._target_": ...}, move={"objective.coupling": "objective.pairing"}),
    # Loggers stand by their names, as there may be several.
    Row({"logger._target_": ...}, move={"logger": "logger.tensorboard"}),
    # What log-densities ask of a solver is an option of theirs, and none of samples.
    Row(
        {"choices.solver@model.evaluation": "adaptive"},
        {"choices.solver@model.evaluation": "log_density"},
    ),
    Row({"choices.solver": "adaptive"}, {"choices.solver": "dopri8"}),
    # Tags have keys in every logger.
    Row({"logger.wandb.tags": []}, {"logger.wandb.tags": None}),
    Row({"logger.wandb.tags": list}, move={"logger.wandb.tags": "logger.wandb.tags.tag_{}"}),
)

TARGETS = {
    # Principles of learning stand with their losses.
    "genlab.learning.ConditionalFlowMatching": "genlab.objectives.VelocityRegression",
    "genlab.learning.ELBO": "genlab.objectives.ELBO",
    "genlab.learning.ExpectationMaximisation": "genlab.objectives.EM",
    "genlab.learning.MaximumLikelihood": "genlab.objectives.MaximumLikelihood",
    "genlab.learning.MixtureDescent": "genlab.objectives.MixtureDescent",
    "genlab.learning.RegularisedLikelihood": "genlab.objectives.RegularisedLikelihood",
    "genlab.learning.ReverseKL": "genlab.objectives.ReverseKL",
    # FlowMatching is a family.
    "genlab.objectives.FlowMatching": "genlab.objectives.VelocityRegression",
    # It draws, which learning does not.
    "genlab.learning.callbacks.DensityImages": "genlab.assembly.DensityImages",
    # A density has the plain name.
    "genlab.samplers.Uniform": "genlab.samplers.UniformSampler",
    # So has a target.
    "genlab.densities.Gaussian": "genlab.densities.GaussianObservation",
}

WEIGHTS: tuple[tuple[str, str, str], ...] = ()

CHECKPOINT_KEYS = {"em": "passes"}


def current_settings(flat: Mapping[str, Any]) -> dict[str, Any]:
    """A run's flat configuration by its present keys and values.

    >>> old = {"model.fit": "em", "choices.objective": "mixture"}
    >>> current_settings(old)
    {'choices.objective': 'em'}
    """
    settings = dict(flat)
    for row in ROWS:
        if all(key in settings and _is(settings[key], value) for key, value in row.when.items()):
            settings = {**dict(_moved(settings, row.move)), **row.put}
    return {key: _retargeted(key, value) for key, value in settings.items()}


def current_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a configuration that is not flat."""
    return nested(current_settings(flatten(config)), like=config)


def current_weights(target: str, weights: Mapping[str, T], prefix: str = "") -> dict[str, T]:
    """A model's weights, or anything else by their names, by their present names.

    Args:
        target: The ``_target_`` of the model, by its present name.
        weights: By the names that they were saved with.
        prefix: What may stand before all names, and stays.
    """
    rows = [(pattern, new) for family, pattern, new in WEIGHTS if family == target]
    current = {}
    for name, value in weights.items():
        head = prefix if name.startswith(prefix) else ""
        tail = name.removeprefix(head)
        for pattern, new in rows:
            tail = re.sub(rf"^(?:{pattern})$", new, tail)
        current[head + tail] = value
    return current


def _is(value: Any, wanted: Any) -> bool:
    return isinstance(value, list) if wanted is list else wanted in (..., value)


def _moved(
    settings: Mapping[str, Any], moves: Mapping[str, str | None]
) -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        old = next((old for old in moves if f"{key}.".startswith(f"{old}.")), None)
        if old is None:
            yield key, value
        elif (new := moves[old]) is not None and "{}" in new:
            yield from ((new.format(number), item) for number, item in enumerate(value, 1))
        elif new is not None:
            yield new + key.removeprefix(old), value


def _retargeted(key: str, value: Any) -> Any:
    """A setting, the targets of a list's sections included."""
    if key.endswith("_target_"):
        return TARGETS.get(value, value)
    if isinstance(value, list):
        return [
            {name: _retargeted(name, inner) for name, inner in item.items()}
            if isinstance(item, Mapping)
            else item
            for item in value
        ]
    return value
