"""Whether a plain value fits a type annotation, and what was expected where it does not."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from genlab.bounds import Bound, Interval
from genlab.errors import nearest

__all__ = ["expectation", "fits", "spell"]

SEQUENCES = (Collection, Iterable, Sequence, list, set, tuple)
NAMES = {
    bool: ("true or false", "true or false"),
    dict: ("keys with values", "keys with values"),
    float: ("a number", "numbers"),
    int: ("an integer", "integers"),
    list: ("a list", "lists"),
    str: ("text", "texts"),
    type(None): ("null", "null"),
}


def fits(value: object, annotation: Any) -> bool | None:
    """Whether a value from a configuration fits an annotation.

    Numbers are not booleans; an integer is a number; a tuple, a sequence or a set is written as a
    list; a path as text. A nested node with a ``_target_`` may become anything.

    Returns:
        None where the annotation is of a kind that says nothing about plain values.
    """
    if isinstance(value, Mapping) and "_target_" in value:
        return None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        base = fits(value, arguments[0])
        bounds = (bound for bound in arguments[1:] if isinstance(bound, Bound | Interval))
        return base and all(bound.holds(value) for bound in bounds)  # type: ignore[arg-type]
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if origin in (Union, types.UnionType):
        return _fits_any(value, arguments)
    if origin in SEQUENCES or annotation in SEQUENCES:
        return _fits_sequence(value, origin or annotation, arguments)
    if (origin or annotation) in (dict, Mapping):
        return _fits_mapping(value, arguments)
    if annotation is None or annotation is type(None):
        return value is None
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if annotation is bool:
        return isinstance(value, bool)
    if annotation in (str, Path):
        return isinstance(value, str)
    return None


def expectation(value: object, annotation: Any) -> str:
    """What was expected in the place of a value that does not fit, and the nearest valid choice.

    >>> expectation(-1, Annotated[int, Bound(1)])
    'an integer, at least 1'
    >>> expectation("ful", Literal["full", "tied"])
    "full or tied; did you mean 'full'?"
    >>> expectation("a", Sequence[str])
    'a list of texts; did you mean [a]?'
    """
    text = _describe(annotation)
    choices = [choice for choice in _choices(annotation) if isinstance(choice, str)]
    hint = nearest(value, choices) if isinstance(value, str) and choices else ""
    if hint.startswith("did you mean"):
        return f"{text}; {hint}"
    if isinstance(value, float) and value.is_integer() and fits(int(value), annotation):
        return f"{text}; did you mean {int(value)}?"
    if isinstance(value, str | int | float) and fits([value], annotation):
        return f"{text}; did you mean {spell([value])}?"
    return text


def spell(value: object) -> str:
    """A value as messages show it: much as on the command line, text that is a number in quotes."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(spell, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {spell(item)}' for key, item in value.items())}}}"
    if isinstance(value, str) and fits(_number(value), float):
        return f"'{value}'"
    return str(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _fits_any(value: object, annotations: tuple[Any, ...]) -> bool | None:
    verdicts = [fits(value, annotation) for annotation in annotations]
    if True in verdicts:
        return True
    # `float | Tensor` refuses text, but `None | Tensor` says nothing about a number.
    named = [kind is not type(None) for kind in annotations]
    refused = any(
        verdict is False and is_named for verdict, is_named in zip(verdicts, named, strict=True)
    )
    return False if refused or None not in verdicts else None


def _fits_sequence(value: object, kind: Any, arguments: tuple[Any, ...]) -> bool | None:
    if not isinstance(value, list):
        return False
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            return False
        verdicts = [fits(item, kind) for item, kind in zip(value, arguments, strict=True)]
    else:
        verdicts = [fits(item, arguments[0]) if arguments else True for item in value]
    return False if False in verdicts else None if None in verdicts else True


def _fits_mapping(value: object, arguments: tuple[Any, ...]) -> bool | None:
    if not isinstance(value, Mapping):
        return False
    verdicts = [fits(item, arguments[1]) if arguments else True for item in value.values()]
    return False if False in verdicts else None if None in verdicts else True


def _choices(annotation: Any) -> tuple[object, ...]:
    """Every literal that an annotation names."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(choice for part in get_args(annotation) for choice in _choices(part))
    return ()


def _describe(annotation: Any, *, plural: bool = False) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated and isinstance(arguments[1], Interval):
        return "pairs [low, high]" if plural else str(arguments[1])
    if origin is Annotated:
        each = "each " if plural else ""
        bounds = [f"{each}{bound}" for bound in arguments[1:] if isinstance(bound, Bound)]
        return ", ".join([_describe(arguments[0], plural=plural), *bounds])
    if origin is Literal:
        return _either(map(spell, arguments))
    if origin in (Union, types.UnionType):
        if all(get_origin(part) is Literal for part in arguments):
            return _either(map(spell, _choices(annotation)))
        known = [part for part in arguments if _describe(part)]
        return _either(_describe(part, plural=plural) for part in known)
    if origin in SEQUENCES or annotation in SEQUENCES:
        name = "lists" if plural else "a list"
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            parts = ", ".join(_describe(part) for part in arguments)
            return f"{name} of {len(arguments)}: {parts}"
        items = _describe(arguments[0], plural=True) if arguments else ""
        return f"{name} of {items}" if items else name
    if (origin or annotation) in (dict, Mapping):
        return NAMES[dict][plural]
    if annotation is None:
        return NAMES[type(None)][plural]
    return NAMES.get(str if annotation is Path else annotation, ("", ""))[plural]


def _either(parts: Iterable[str]) -> str:
    *most, last = parts
    comma = "," if any("," in part for part in most) else ""
    return f"{', '.join(most)}{comma} or {last}" if most else last
