"""What a configuration says to nobody is left out, unless the user said it.

An objective may do without an optimiser or a schedule, a sampler without a model, and a kind of
data may name a network for families that have none. A recipe or a preset may speak of a part that
the user replaces.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from genlab.config import PARTS, place, split
from genlab.config.check import READ
from genlab.config.targets import Target, described
from genlab.errors import UnusedError, UserError

__all__ = ["OPTIONAL", "drop_replaced", "drop_unused", "learns_no_model", "used"]

OPTIONAL = ("optimizer", "schedule")
# How a family learns by itself, and the parts that it is made of.
LEARNING = ("objective", "pairing")
OF_MODEL = tuple(group for group, section in PARTS.items() if section == "model")
# What the residual of a PINN is made of.
RESIDUAL = ("problem", "pinn")
# What a part may have been spoken of in.
SAYING = ("experiment", "preset")
GLOBAL = ("", "_global_")


def drop_unused(config: DictConfig, overrides: Sequence[str]) -> None:
    """Leave out parts that the model does not take, and sections that nothing reads.

    Args:
        config: A composed configuration, ``choices`` filled; changed in place.
        overrides: What the user set: no part of it is left out in silence.

    Raises:
        UnusedError: The user set something in a section that nothing reads.
    """
    if config.command == "solve":
        _drop_of_solve(config, overrides)
    else:
        _drop_problem(config, overrides)
    _drop_parts(config, overrides)
    _drop_sections(config, overrides)


def drop_replaced(config: DictConfig, runtime: DictConfig, overrides: Sequence[str]) -> None:
    """Leave out what was said of a part, where the one that replaces it has no such key.

    ``experiment=pinn_sharp_peak sampler=sobol``: the recipe's ``sampler.candidates`` is for the
    samplers that look at the residual. ``model=cnf data=digits network=concat_squash``: the
    channels that the family wants for images are those of a U-Net. A recipe replaces parts as well,
    and what it says of them itself stays.

    Args:
        config: A composed configuration; changed in place.
        runtime: Hydra's node ``runtime``: the choices, and where options are found.
        overrides: What the user set.
    """
    recipe, preset = (_said(runtime, group) for group in SAYING)
    chosen = {place(split(word)[0]) for word in overrides}
    for where in chosen:
        _drop_untaken(config, where, _keys(recipe, where) | _keys(preset, where), overrides)
    for where in {*_replaced(recipe)} - chosen:
        _drop_untaken(config, where, _keys(preset, where) - _keys(recipe, where), overrides)


def used(
    words: Sequence[str], make: Callable[[Sequence[str]], DictConfig]
) -> tuple[DictConfig, list[str], list[UnusedError]]:
    """Make a configuration of those words that something in it uses.

    Args:
        words: Overrides that may be left out.
        make: Composes a configuration of overrides.

    Returns:
        The configuration, the words in it, and why the others are not.

    Raises:
        UserError: There is another mistake, or what nothing uses is none of these words.
    """
    left, unused = list(words), list[UnusedError]()
    while True:
        try:
            return make(left), left, unused
        except UnusedError as error:
            if error.word not in left:
                raise
            unused.append(error)
            left = [word for word in left if word != error.word]


def learns_no_model(config: DictConfig) -> bool:
    """Whether the sampler of a solve learns no model."""
    sampler = _target(config, "sampler")
    return sampler is not None and "model" not in sampler.signature.parameters


def _drop_of_solve(config: DictConfig, overrides: Sequence[str]) -> None:
    """The objective and the model, where the sampler has no use for them."""
    sampler = _target(config, "sampler")
    if sampler is None:
        return
    takes, unread = sampler.signature.parameters, list[str]()
    for section, groups, reason in (
        ("model", ("model", *OF_MODEL), "learns no model"),
        ("objective", LEARNING, "has no objective"),
    ):
        if section not in takes:
            _refuse(groups, overrides, f"{sampler.name} {reason}")
            unread += groups
    with open_dict(config):
        for section in unread:
            config.choices.pop(section, None)
            if section in config:
                config[section] = None
    objective = _objective(config)
    if objective is not None and objective.attribute("learns_from") == "energy":
        raise UserError(
            f"objective={config.choices.objective}: it learns from a log-density, and a sampler's "
            "model from points; use objective=maximum_likelihood"
        )
    if objective is not None and objective.attribute("learns_from") == "passes":
        for word in overrides:
            if (key := split(word)[0]).startswith("sampler.fit.") and key != "sampler.fit.steps":
                raise UnusedError(word, f"{objective.name} takes no gradient steps")


def _drop_problem(config: DictConfig, overrides: Sequence[str]) -> None:
    """A PDE and its network, where the data are not a residual."""
    data = _target(config, "data")
    if data is None or data.signature.open or "pinn" in data.signature.parameters:
        return
    _refuse(RESIDUAL, overrides, "it goes with data=pinn_residual, or with `genlab solve`")
    with open_dict(config):
        for section in RESIDUAL:
            config.pop(section, None)
            config.choices.pop(section, None)


def _drop_parts(config: DictConfig, overrides: Sequence[str]) -> None:
    model = _target(config, "model")
    if model is None or model.signature.open:
        return
    chosen = {split(word)[0] for word in overrides}
    for group in config.choices.keys() & set(OF_MODEL) - chosen:
        part = OmegaConf.select(config, place(group), throw_on_resolution_failure=False)
        with open_dict(config):
            if not isinstance(part, DictConfig):  # the model's own key, of the same name, or none
                del config.choices[group]
            elif group not in model.signature.parameters:
                del config.model[group], config.choices[group]


def _drop_sections(config: DictConfig, overrides: Sequence[str]) -> None:
    """What takes gradient steps, where a run learns without them."""
    if config.command == "solve":
        taker, unread = _target(config, "optimizer"), [*OPTIONAL[1:]]
        by_gradients = OmegaConf.select(config, "optimizer._partial_", default=False)
    else:
        taker, unread = _objective(config), [*OPTIONAL]
        by_gradients = taker is None or taker.attribute("learns_from") != "passes"
    if taker is None or by_gradients:
        return
    for section in unread:
        if section in config:
            _refuse((section,), overrides, f"{taker.name} has no {section}")
            config[section] = None


def _refuse(sections: Sequence[str], overrides: Sequence[str], reason: str) -> None:
    for word in overrides:
        if split(word)[0].partition(".")[0] in sections:
            raise UnusedError(word, reason)


def _objective(config: DictConfig) -> Target | None:
    """The class of the objective.

    Raises:
        UserError: It is something else, a network's loss or a function.
    """
    objective = _target(config, "objective")
    if objective is not None and objective.attribute("learns_from") is None:
        raise UserError(
            f"objective._target_={config.objective._target_}: expected a class that derives from "
            "genlab.objectives.Objective"
        )
    return objective


def _target(config: DictConfig, section: str) -> Target | None:
    """What the section describes; None where that is for the check to tell."""
    path = OmegaConf.select(config, f"{section}._target_", throw_on_resolution_failure=False)
    return None if path is None else described(section, path)


def _drop_untaken(
    config: DictConfig, where: str, keys: Collection[Any], overrides: Sequence[str]
) -> None:
    """Leave out those keys of a section that its object does not take, save what the user set."""
    node = OmegaConf.select(config, where, throw_on_resolution_failure=False)
    if not isinstance(node, DictConfig) or node.get("_target_") is None:
        return
    takes = described(where, node._target_).signature
    chosen = {split(word)[0] for word in overrides}
    taken = {*takes.parameters, *READ.get(where, ()), "_target_"}
    with open_dict(config):
        for key in {*keys} & node.keys() - taken:
            if not takes.open and f"{where}.{key}" not in chosen:
                del node[key]


def _keys(said: Any, where: str) -> set[Any]:
    """Those that are said of a part."""
    part = OmegaConf.select(said, where, throw_on_resolution_failure=False)
    return {*part} if isinstance(part, DictConfig) else set()


def _replaced(recipe: Any) -> Iterator[str]:
    """The parts that a recipe chooses itself."""
    for entry in recipe.get("defaults", ()):
        for group in entry if isinstance(entry, DictConfig) else ():
            yield place(str(group).removeprefix("override /"))


def _said(runtime: DictConfig, by: str) -> Any:
    """What is said by the options of a group that are taken: a recipe, or presets."""
    folders = [Path(source.path) for source in runtime.config_sources if source.schema == "file"]
    said: Any = OmegaConf.create()
    for chosen, option in runtime.choices.items():
        group, _, package = chosen.partition("@")
        if group.partition("/")[0] == by:
            files = [folder / group / f"{option}.yaml" for folder in folders]
            text: Any = next((OmegaConf.load(file) for file in files if file.is_file()), {})
            said = OmegaConf.merge(said, text if package in GLOBAL else {package: text})
    return said
