"""The check before anything is built: every key is taken by what it configures, with its type."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, cast, get_args

from omegaconf import DictConfig, OmegaConf

from genlab.annotations import expectation, fits, in_message
from genlab.bounds import Bound, NonNegative, NonNegativeInt, PositiveInt
from genlab.config import PARTS, config_dir
from genlab.config.explain import explained
from genlab.config.primary import own_groups, primary
from genlab.config.targets import Target, described, passed_on
from genlab.errors import UnusedError, UserError, nearest
from genlab.signature import Signature, signature

__all__ = ["READ", "check", "check_given", "check_node", "check_options"]

HYDRA_OWN = frozenset({"_target_", "_partial_", "_recursive_", "_convert_", "_args_"})
# The seeds that every generator takes: 32 bits.
Seed = Annotated[int, Bound(0, 2**32 - 1)]
SCALARS = {"seed": Seed, "outputs": str}
FREE = frozenset({"choices", "command"})
# What genlab hands in itself when it builds the objects of a section.
SUPPLIED = {
    "data": frozenset({"pinn"}),
    "objective": frozenset({"target"}),
    "optimizer": frozenset({"params"}),
    "logger": frozenset({"save_dir", "name", "version", "title", "settings", "purge_step"}),
    "pinn": frozenset({"problem"}),
    "sampler": frozenset({"domain", "n_points", "seed", "model", "objective"}),
}


# What genlab reads itself before it builds the object of a section, and what it has to be.
READ: dict[str, dict[str, Any]] = {
    "sampler": {
        "refresh": PositiveInt,
        "redraw": PositiveInt | None,
        "rounds": NonNegativeInt | None,
    }
}
# Bounds that a class of another library tells only when the run has begun.
Decay = Annotated[float, Bound(0.0, 1.0, open_high=True)]
BOUNDS: dict[str, dict[str, Any]] = {
    "optimizer": {
        "lr": NonNegative,
        "betas": Sequence[Decay],
        "alpha": NonNegative,
        "eps": NonNegative,
        "momentum": NonNegative,
        "weight_decay": NonNegative,
    }
}


def check(config: DictConfig) -> None:
    """Refuse a configuration that has a mistake in it, before anything is built.

    Each key of each node with a ``_target_`` must be a parameter of that target, and its value fit
    the annotation and the `genlab.bounds.Bound`. Each other key must be in the primary config.

    Raises:
        UserError: The first mistake, with the key, the value and what was expected.
    """
    plain = _resolve(config)
    needed, optional = _sections(plain["command"])
    for key in sorted(plain.keys() - needed - optional):
        hint = nearest(key, needed - FREE)
        raise UserError(f"{key}={in_message(plain[key])}: nothing takes this key; {hint}")
    for key in sorted(needed - plain.keys()):
        raise UserError(f"{key}: missing; see `genlab list {key}`")
    for key, annotation in SCALARS.items():
        _check_value(key, plain[key], annotation)
    _check_choices(plain)
    # What the model follows the data in is told of the data.
    for key, node in sorted(plain.items(), key=lambda item: item[0] != "data"):
        if key not in SCALARS and key not in FREE:
            supplied, option = SUPPLIED.get(key, frozenset()), _option(key, plain)
            check_node(key, _without_read(key, node), supplied, option)
            for name, annotation in BOUNDS.get(key, {}).items():
                if isinstance(node, Mapping) and name in node:
                    _check_value(f"{key}.{name}", node[name], annotation)
    if plain["command"] == "solve":
        _check_trainer_of_solve(plain["trainer"])
        _check_refresh(plain)
    elif plain["optimizer"] is not None and "_partial_" not in plain["optimizer"]:
        raise UserError(
            f"{_option('optimizer', plain)}: steps on the residual of a PDE, in `genlab solve`; a "
            "density learns by gradients: use optimizer=adam"
        )


def _check_trainer_of_solve(trainer: Mapping[str, Any]) -> None:
    for key in ("devices", "num_nodes"):
        if trainer[key] != 1:
            word = f"trainer.{key}={trainer[key]}"
            raise UserError(f"{word}: a solve runs on one device; use trainer.{key}=1")
    if trainer["precision"] == "bf16-mixed":
        raise UserError(
            "trainer.precision=bf16-mixed: a solve takes second derivatives of its network, of "
            "which bfloat16 leaves two digits; use trainer.precision=32-true"
        )


def _check_refresh(plain: Mapping[str, Any]) -> None:
    """Refuse a sampler that would never look at the network, and draw as if it were uniform."""
    refresh, steps = plain["sampler"]["refresh"], plain["trainer"]["max_steps"]
    target = described("sampler", plain["sampler"]["_target_"])
    looked = bool(plain["sampler"].get("rounds"))
    if target.attribute("looks") is not False and refresh >= steps and not looked:
        name = _name(target, _option("sampler", plain))
        raise UserError(
            f"sampler.refresh={refresh}: {name} would not once look at the network in "
            f"trainer.max_steps={steps};\nset sampler.refresh below {steps}, or trainer.max_steps "
            f"above {refresh}"
        )


def check_options(key: str, node: Mapping[str, Any], options: type[Any]) -> None:
    """Check a section that genlab reads itself, and builds nothing of.

    Args:
        key: Its name.
        node: Plain values.
        options: The dataclass that it fills: its fields, with their types and bounds.

    Raises:
        UserError: A key is unknown or missing, or a value does not fit.
    """
    takes = signature(options)
    for name, value in node.items():
        if name not in takes.parameters:
            hint = nearest(name, takes.parameters)
            raise UserError(f"{key}.{name}={in_message(value)}: no such key; {hint}")
        _check_value(f"{key}.{name}", value, takes.parameters[name].annotation)
    _check_complete(key, "genlab", takes, {*node})


def _without_read(key: str, node: Any) -> Any:
    """A section without the keys that genlab reads itself, which are checked here."""
    if key not in READ or not isinstance(node, Mapping):
        return node
    for name, annotation in READ[key].items():
        if name in node:
            _check_value(f"{key}.{name}", node[name], annotation)
        elif type(None) not in get_args(annotation):
            raise UserError(f"{key}.{name}: missing; genlab needs it")
    return {name: value for name, value in node.items() if name not in READ[key]}


def check_given(key: str, node: Mapping[str, Any], shown: Mapping[str, str] | None = None) -> None:
    """Check the types in the description of an object, null and what is missing left out.

    Args:
        key: Where it stands, in dots.
        node: Plain values, with a ``_target_``.
        shown: Of a part of an object, whose nulls nothing replaces, the keys by which a user sets
            some of them.

    Raises:
        UserError: The first value that does not fit.
    """
    passed = {name: f"{key}.{name}" for name in passed_on(node)}
    for name, taken in described(key, node["_target_"]).signature.parameters.items():
        value, where = node.get(name, "???"), (shown or {}).get(name, f"{key}.{name}")
        if isinstance(value, Mapping) and "_target_" in value:
            check_given(where, value, passed)
        elif value != "???" and (value is not None or shown is not None):
            _check_value(where, value, taken.annotation)


def check_node(
    key: str, node: object, supplied: frozenset[str] = frozenset(), option: str | None = None
) -> None:
    """Check a section, or a part of one, and all that is nested in it.

    Args:
        key: Where it stands, in dots.
        node: Plain containers, interpolations resolved: an object's description with a
            ``_target_``, or such descriptions by name, with null for what is switched off.
        supplied: Parameters that genlab hands in itself: neither needed nor allowed.
        option: ``GROUP=OPTION`` that has put it there; it names what a function makes.

    Raises:
        UserError: The first mistake.
    """
    if isinstance(node, Mapping) and "_target_" not in node:
        for name, value in node.items():
            if not isinstance(value, Mapping | None):
                raise UserError(f"{key}.{name}={in_message(value)}: nothing takes this key")
            check_node(f"{key}.{name}", value, supplied)
    else:
        _check_objects(key, node, supplied, option=option)


def _check_choices(plain: Mapping[str, Any]) -> None:
    """An option that describes a part of an object is of use only where the object has it."""
    for group, section in PARTS.items():
        option, node = plain["choices"].get(group), plain.get(section) or {}
        if option is None or "_target_" not in node or node.get(group) is None:
            continue
        target = described(section, node["_target_"])
        takes = target.signature
        taken = takes.parameters.keys() | passed_on(node)
        if group in taken and (config_dir() / group / f"{node[group]}.yaml").is_file():
            raise UserError(f"{section}.{group}={node[group]}: write {group}={node[group]}")
        is_part = group in taken and isinstance(node[group], Mapping)
        if not is_part and not takes.open:
            name = _name(target, _option(section, plain))
            raise UnusedError(f"{group}={option}", f"{name} has no {group}")


def _check_objects(
    key: str,
    value: object,
    supplied: frozenset[str] = frozenset(),
    shown: Mapping[str, str] | None = None,
    option: str | None = None,
) -> None:
    """Check each description of an object in a value; the rest is data."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check_objects(f"{key}.{index}", item)
    if isinstance(value, Mapping):
        passed = {name: f"{key}.{name}" for name in passed_on(value)}
        for name, nested in value.items():
            _check_objects((shown or {}).get(name, f"{key}.{name}"), nested, shown=passed)
        if "_target_" in value:
            _check_target(key, value, supplied, shown or {}, option)


def _check_target(
    key: str,
    node: Mapping[str, Any],
    supplied: frozenset[str],
    shown: Mapping[str, str],
    option: str | None,
) -> None:
    """Check one description; ``shown`` are the keys by which a user sets some parameters."""
    target = described(key, node["_target_"])
    takes = target.signature
    name = _name(target, option)
    by_position = takes.positional[: len(node.get("_args_", ()))]
    settable = takes.parameters.keys() - supplied
    for parameter in node.keys() - HYDRA_OWN - passed_on(node) - takes.parameters.keys():
        if not takes.open:
            where = f"{key}.{parameter}={in_message(node[parameter])}"
            raise UserError(f"{where}: {_not_taken(key, node, name, parameter, settable)}")
    for parameter, taken in takes.parameters.items():
        where = shown.get(parameter, f"{key}.{parameter}")
        if parameter in node and parameter in supplied:
            raise UserError(f"{where}={in_message(node[parameter])}: set by genlab itself")
        if parameter in node:
            _check_value(where, node[parameter], taken.annotation)
    if not node.get("_partial_", False):
        _check_complete(key, name, takes, {*node, *by_position, *supplied})


def _option(section: str, plain: Mapping[str, Any]) -> str | None:
    """The choice of a section, as a user writes it."""
    option = plain["choices"].get(section)
    return None if option is None else f"{section}={option}"


def _name(target: Target, option: str | None) -> str:
    """What a user knows an object by: its class, or the choice of the function that makes it."""
    return target.name if option is None or target.is_class else option


def _not_taken(
    key: str, node: Mapping[str, Any], name: str, parameter: str, settable: Collection[str]
) -> str:
    for inner, value in node.items():
        if isinstance(value, Mapping) and parameter in value:
            return f"differs from {key}.{inner}.{parameter}={in_message(value[parameter])}"
    hint = nearest(parameter, settable) if settable else "it has no keys"
    return f"{name} takes no {parameter!r}; {hint}"


def _check_complete(key: str, name: str, takes: Signature, given: set[str]) -> None:
    for parameter, taken in takes.parameters.items():
        if taken.required and parameter not in given:
            raise UserError(f"{key}.{parameter}: missing; {name} needs it")


def _check_value(key: str, value: object, annotation: Any) -> None:
    if fits(value, annotation) is False:
        raise UserError(f"{key}={in_message(value)}: expected {expectation(value, annotation)}")


def _sections(command: str) -> tuple[set[str], set[str]]:
    """The top-level keys of the primary config, its own and those of its groups.

    Returns:
        Those that it always has, and those of groups in which nothing needs to be chosen.
    """
    own = primary(command).keys() - {"defaults", "hydra", "suggested", "sweep"}
    groups = own_groups(command)
    chosen = {group for group, option in groups.items() if option is not None}
    return own | chosen, groups.keys() - chosen


def _resolve(config: DictConfig) -> dict[str, Any]:
    """Plain containers, interpolations resolved."""
    known = cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))
    with explained(config.command, (), known):
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    return cast(dict[str, Any], plain)
