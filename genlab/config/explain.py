"""Hydra's and OmegaConf's errors in one or two lines: the key, the value, and what was meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import (
    InterpolationKeyError,
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import MarkedYAMLError  # type: ignore[import-untyped]

from genlab.config import config_dir, split
from genlab.config.keys import in_shell, override_value
from genlab.config.primary import belongs_elsewhere, compose_raw
from genlab.errors import GenlabError, UserError, nearest

__all__ = ["explained", "no_such_key"]

COMPOSITION = (HydraException, OmegaConfBaseException)
# Hydra raises a ValueError where an option is not a name, OmegaConf this or a TypeError where an
# index is no number.
OWN = (*COMPOSITION, GenlabError, MarkedYAMLError, ValueError, TypeError)
FEW = 5
# Keys that were, and what is written instead.
INSTEAD = {
    "logger.flush_secs": "logger.tensorboard.flush_secs",
    "coupling": "pairing=OPTION",
    "model.fit": "objective=em or objective=mixture_descent",
    "objective.coupling": "objective.pairing",
}

# In a list or a mapping, what stands between its signs.
WORD = re.compile(r"[^\s\[\]{},:'\"](?:[^\[\]{},:'\"]*[^\s\[\]{},:'\"])?")

# Groups of which several options may be chosen at once.
SEVERAL = ("logger",)


@contextmanager
def explained(
    command: str, overrides: Sequence[str], known: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """Raise what the user did wrong, where an error of Hydra or OmegaConf inside says so.

    An error that is not of the configuration, or that is explained already, comes out as it is.

    Args:
        command: The primary config's name.
        overrides: What was to be composed.
        known: The configuration, where it was composed already.

    Raises:
        UserError: An option, a key or a value is wrong; it names the nearest valid one.
    """
    try:
        yield
    except Exception as error:
        mistake = _explain(error, command, overrides, known)
        if mistake is None or mistake is error:
            raise
        raise mistake from error


def no_such_key(key: str, config: Mapping[str, Any]) -> str:
    """What there is in the place of a key that there is not."""
    if key in INSTEAD:
        return f"no such key any more; write {INSTEAD[key]}"
    node: Any = config
    parts = key.split(".")
    for depth, part in enumerate(parts):
        section = ".".join(parts[:depth])
        if not isinstance(node, Mapping):
            return f"{section} is one value, without keys of its own"
        if part not in node:
            return _nearest_key(part, section, node, config)
        node = node[part]
    return "no such key"


def _explain(
    error: BaseException, command: str, overrides: Sequence[str], known: Mapping[str, Any] | None
) -> GenlabError | None:
    """The user's mistake behind an error, or None where there is none."""
    if not isinstance(error, OWN):
        return None
    causes = _causes(error)
    for cause in causes:
        match cause:
            case GenlabError():
                return cause
            case MissingConfigException():
                return UserError(_missing_config(cause.missing_cfg_file, cause.options))
            case OverrideParseException():
                return UserError(_unreadable(cause.override))
            case MissingMandatoryValue() | InterpolationToMissingValueError():
                named = str(cause).partition("Missing mandatory value: ")[2].split()[0]
                # An interpolation to a missing value names that value, which is the one to set.
                direct = isinstance(cause, MissingMandatoryValue)
                key = (direct and cause.full_key) or named
                return UserError(f"{key}: missing; set it by {key}=VALUE")
            case InterpolationKeyError():
                keys = _known_keys(command, ()) if known is None else known
                return UserError(_dangling(str(cause), cause.full_key or "", keys))
            case MarkedYAMLError():
                return UserError(_bad_yaml(cause))
    sentences = [str(cause) for cause in causes]
    for sentence in (*sentences, "\n".join(sentences)):
        for pattern, describe in SENTENCES:
            found = re.search(pattern, sentence, re.DOTALL)
            if found and (told := describe(found, command, overrides)):
                return UserError(told)
    return UserError(_generic(causes)) if isinstance(error, COMPOSITION) else None


def _generic(causes: Sequence[BaseException]) -> str:
    """The first lines of an error and of its cause, and the key where it is known."""
    key = getattr(causes[0], "full_key", None) or "configuration"
    lines = [str(cause).strip().partition("\n")[0] for cause in causes]
    first, *rest = [line for line in lines if line]
    return ": ".join([key, first, *(line for line in rest[:1] if line not in first)])


def _causes(error: BaseException | None) -> list[BaseException]:
    """An error and what is behind it; each once, since one raised from its effect makes a ring."""
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes


def _missing_config(path: str | None, options: Sequence[str] | None) -> str:
    group, _, name = (path or "").rpartition("/")
    options = [name for name in options or () if name[0] != "_"] or _options(group)
    if not group or not options:
        return f"{path}: no such config in {config_dir()}"
    return f"{group}: no {name!r}; {nearest(name, options)}"


def _options(group: str) -> list[str]:
    return [path.stem for path in (config_dir() / group).glob("[!_]*.yaml")]


def _unreadable(override: str) -> str:
    if re.fullmatch(r"[\w-]+", override):
        groups = sorted(path.parent.name for path in config_dir().glob(f"*/{override}.yaml"))
        hint = f"; did you mean {groups[0]}={override}?" if groups else ""
        return f"{override}: expected KEY=VALUE{hint}"
    key, _, value = override.partition("=")
    quoted = f"{key}={WORD.sub(_quoted, value) if value[:1] in ('[', '{') else _quoted(value)}"
    if quoted != override:
        with suppress(HydraException):
            OverridesParser.create().parse_override(quoted).value()
            return f"{override}: cannot be read; did you mean {in_shell(quoted)}?"
    if value.startswith("{"):
        return f"{override}: cannot be read; names in a mapping are plain, or a column's number"
    return f"{override}: cannot be read; expected KEY=VALUE, and quotes round special characters"


def _quoted(word: str | re.Match[str]) -> str:
    """A part of a value as it is, or in quotes where it needs some."""
    text = word if isinstance(word, str) else word[0]
    return override_value("", text) if re.search(r"[^\w\s./%+-]", text, re.ASCII) else text


def _bad_yaml(error: Any) -> str:
    mark = error.problem_mark
    return f"{mark.name}, line {mark.line + 1}: {error.problem}"


def _dangling(message: str, key: str, known: Mapping[str, Any]) -> str:
    found = re.search(r"Interpolation key '([^']+)'", message)
    wanted = found[1] if found else "?"
    if key == "_dummy_":  # Hydra's own key, where a defaults list asks for a choice
        return f"{wanted}: missing; see `genlab list {wanted}`"
    return f"{key}=${{{wanted}}}: {no_such_key(wanted, known)}"


def _unknown_key(found: re.Match[str], command: str, overrides: Sequence[str]) -> str:
    key = found[1]
    config = _known_keys(command, [word for word in overrides if split(word)[0] != key])
    return f"{_as_written(key, overrides)}: {no_such_key(key, config)}"


def _unknown_deletion(found: re.Match[str], command: str, overrides: Sequence[str]) -> str:
    config = _known_keys(command, [word for word in overrides if not word.startswith("~")])
    return f"~{found[1]}: {no_such_key(found[1], config)}"


def _exists(found: re.Match[str], command: str, overrides: Sequence[str]) -> str:
    written = _as_written(found[1], [word for word in overrides if word.startswith("+")])
    return f"+{written}: {found[1]} is there already; write {written}"


def _not_a_default(found: re.Match[str], command: str, overrides: Sequence[str]) -> str:
    written = _as_written(found[1], overrides)
    owner = belongs_elsewhere(command, found[1])
    recipes = [word for word in overrides if split(word)[0] in ("experiment", "sweep")]
    if owner and recipes and written == found[1]:
        return f"{recipes[0]}: chooses {written}, {owner}"
    return f"{written}: {owner or f'nothing is chosen for {found[1]} yet; write +{written}'}"


def _ambiguous(found: re.Match[str], command: str, overrides: Sequence[str]) -> str:
    key, value = split(found[1])
    is_list = "(" not in value and (key in SEVERAL or not _options(key))
    as_list = f", or write {key}=[{value}] for a list" if is_list else ""
    return f"{found[1]}: several values; add -m to run each{as_list}"


def _another_package(found: re.Match[str], command: str, overrides: Sequence[str]) -> str:
    return f"{_as_written(found[1], overrides)}: no such group; did you mean {found[2]}?"


def _not_a_name(found: re.Match[str], command: str, overrides: Sequence[str]) -> str:
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        options = _options(override.key_or_group)
        if options and not isinstance(override.value(), str | list):
            key, value = split(override.input_line or "")
            return f"{key}: no {value!r}; {nearest(value, options)}"
    return found[0]


def _not_chosen(found: re.Match[str], command: str, overrides: Sequence[str]) -> str:
    return f"{found[1]}: nothing chosen; {nearest('', found[2].split())}"


def _another_kind(found: re.Match[str], command: str, overrides: Sequence[str]) -> str:
    listed = split(found[1])[1].startswith("[")
    return f"{found[1]}: expected {'keys with values' if listed else 'a list'}"


def _inside_a_list(found: re.Match[str], command: str, overrides: Sequence[str]) -> str | None:
    key = next((key for key, _ in map(split, overrides) if found[1] in key.split(".")), None)
    if key is None:  # a number elsewhere
        return None
    config = _known_keys(command, [word for word in overrides if split(word)[0] != key])
    return f"{_as_written(key, overrides)}: {no_such_key(key, config)}"


Describe = Callable[[re.Match[str], str, Sequence[str]], str | None]
# How Hydra 1.3 words a mistake, and how it is said here.
SENTENCES: tuple[tuple[str, Describe], ...] = (
    (r"Could not override '([^']+)'\.\s+To append to your config", _unknown_key),
    (r"Could not override '([^']+)'\. No match in the defaults list", _not_a_default),
    (r"Could not override '([^']+)'\.\s+Did you mean to override (.*?)\?", _another_package),
    (r"An item is already at '([^']+)'", _exists),
    (r"Multiple values for ([\w/@]+)\. To override a value", _exists),
    (r"([\w/@]+) appears more than once in the final defaults list", _exists),
    (r"Could not delete from config\. '([^']+)' does not exist", _unknown_deletion),
    (r"Could not delete '([^']+)'\. No match in the defaults list", _unknown_deletion),
    (r"Ambiguous value for argument '([^']+)'", _ambiguous),
    (r"Sweep parameters '([^']+)' requires --multirun", _ambiguous),
    (r"You must specify '([^']+)'.*Available options:\s+(.*)", _not_chosen),
    (r"Config group override must be a string or a list", _not_a_name),
    (r"Error merging override ([^\n]*)\n.*Cannot merge \w+ with \w+", _another_kind),
    (r"(?:invalid literal for int\(\) with base 10:|Index) '([^']+)'", _inside_a_list),
)


def _as_written(key: str, overrides: Sequence[str]) -> str:
    """The override that sets ``key``, without its sign."""
    return next((word.lstrip("+~") for word in overrides if split(word)[0] == key), key)


def _known_keys(command: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration, unresolved; with the choices only where another override is wrong too."""
    choices = [word for word in overrides if _is_choice(word)]
    for words in (overrides, choices, ()):
        try:
            config = compose_raw(command, words)
        except (HydraException, ValueError):
            continue
        return cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))
    return {}


def _is_choice(override: str) -> bool:
    key, _ = split(override)
    return key == "hydra.searchpath" or (config_dir() / key).is_dir()


def _nearest_key(
    name: str, section: str, node: Mapping[str, Any], config: Mapping[str, Any]
) -> str:
    if section and (options := _options_with(name, section)):
        elsewhere = " or ".join(f"{section}={option}" for option in options)
        return f"no {name!r} in this {section}; choose {elsewhere}"
    flat = [known for known in _flat(config) if not known.startswith("hydra.")]
    twins = sorted(known for known in flat if known.endswith(f".{name}"))
    if twins:
        return f"no such key; did you mean {twins[0]!r}?"
    choices = [known for known in node if known != "hydra" and not known.startswith("_")]
    if not choices:
        return f"{section} has no keys"
    where = f" in {section}" if section else ""
    return f"no {name!r}{where}; {nearest(name, choices)}"


def _options_with(name: str, section: str) -> list[str]:
    """The choices of a group that have a key, where these are but a few."""
    files = (config_dir() / section).glob("[!_]*.yaml")
    options = [file.stem for file in files if name in _own(file)]
    return sorted(options) if len(options) <= FEW else []


def _own(file: Path) -> dict[str, Any]:
    """The keys of a choice, with those of the choices that it builds on."""
    text = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(file), resolve=False))
    names = (name for name in text.pop("defaults", ()) if isinstance(name, str))
    bases = [file.parent / f"{name}.yaml" for name in names]
    node = text.get(file.parent.name)
    inherited = {
        key: value for base in bases if base.is_file() for key, value in _own(base).items()
    }
    return inherited | (node if isinstance(node, dict) else text)


def _flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in node.items():
        yield f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
