"""A name for the code of a training step, by all that decides what it is."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import platform
import sys
import types
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genlab.compilation.process import compiler_version
from genlab.compilation.recipe import StepRecipe
from genlab.imports import module_of
from genlab.objectives import Objective

__all__ = ["UnkeyableError", "key_of"]

PACKAGE = Path(__file__).parents[1]
ATOMS = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, slice, range)


class UnkeyableError(Exception):
    """A part of a step cannot be told from others like it, such as a function made on the spot."""


def key_of(recipe: StepRecipe) -> str:
    """Thirty-two hexadecimal digits that two steps share when their code is the same.

    Counted are the structure of model and objective, attribute by attribute, shapes and types of
    all tensors but not the numbers of the weights, the sources of genlab and of what is not its
    own, and the versions, the compiler and the processor that code is made by and for.

    Raises:
        UnkeyableError: Some part has no name.
    """
    digest = hashlib.sha256()
    for word in _words(recipe, {}):
        digest.update(word.encode() + b"\0")
    digest.update(_surroundings())
    return digest.hexdigest()[:32]


def _words(value: Any, seen: dict[int, tuple[int, Any]]) -> Iterator[str]:
    """What a value is, word by word; what was met before is named by its number."""
    if isinstance(value, ATOMS):
        yield repr(value)
        return
    # Whether equal tuples are one is chance.
    if not isinstance(value, tuple):
        known = id(value) in seen
        yield _number(value, seen)
        if known:
            return
    yield type(value).__qualname__
    if isinstance(value, Tensor):
        yield from _like(value)
        yield hashlib.sha256(value.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
    elif isinstance(value, Mapping):
        yield from _all([part for item in value.items() for part in item], seen)
    elif isinstance(value, Set):
        yield from sorted(repr(part) for part in value)
    elif isinstance(value, list | tuple):
        yield from _all(value, seen)
    elif isinstance(value, functools.partial):
        yield from _all((value.func, value.args, value.keywords), seen)
    elif isinstance(value, type | types.FunctionType):
        yield from _of_code(value)
    else:
        yield from _of_object(value, seen)


def _number(value: Any, seen: dict[int, tuple[int, Any]]) -> str:
    """Which of all things met it is, by the order; held, so that nothing else gets its place."""
    return str(seen.setdefault(id(value), (len(seen), value))[0])


def _all(parts: Sequence[Any], seen: dict[int, tuple[int, Any]]) -> Iterator[str]:
    for part in parts:
        yield from _words(part, seen)
    yield "end"


def _of_object(value: Any, seen: dict[int, tuple[int, Any]]) -> Iterator[str]:
    yield from _of_code(type(value))
    if dataclasses.is_dataclass(value):
        attributes = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif hasattr(value, "__dict__"):
        attributes = dict(vars(value))
    else:
        raise UnkeyableError(f"{type(value).__qualname__}: it has no attributes to be known by")
    if isinstance(value, Objective):
        for name in sorted(name for name, part in attributes.items() if isinstance(part, Tensor)):
            yield name
            yield from _like(attributes.pop(name))
    if isinstance(value, nn.Module):
        # Their numbers are inputs; what else is a tensor would be a constant of the code.
        for name in ("_parameters", "_buffers"):
            for key, tensor in attributes.pop(name).items():
                # Two layers may share one.
                yield f"{name}.{key} {_number(tensor, seen)}"
                yield from _like(tensor)
    yield from _words(attributes, seen)


def _like(tensor: Tensor | None) -> Iterator[str]:
    if tensor is not None:
        yield f"{tuple(tensor.shape)} {tensor.dtype} {tensor.device} {tensor.requires_grad}"


def _of_code(value: Any) -> Iterator[str]:
    """The name of a class or function, and its source where that is neither genlab's nor torch's.

    Raises:
        UnkeyableError: Its name does not tell it from others.
    """
    if getattr(value, "__closure__", None):
        raise UnkeyableError(f"{value.__qualname__}: holds more than its name says")
    if "<" in value.__qualname__:
        raise UnkeyableError(f"{value.__qualname__}: has no name of its own")
    yield f"{value.__module__}.{value.__qualname__}"
    for kind in value.__mro__ if isinstance(value, type) else (value,):
        if not _has_a_version(kind.__module__):
            if _source(kind.__module__) is None:
                raise UnkeyableError(f"{kind.__qualname__}: its source is not to be found")
            for name, digest in sorted(_sources(kind.__module__, {}).items()):
                yield f"{name} {digest}"


def _has_a_version(module: str) -> bool:
    return module.partition(".")[0] in ("genlab", *sys.stdlib_module_names, "torch")


def _source(module: str) -> Path | None:
    """The Python file of a module that is there."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file) if file is not None and file.endswith(".py") else None


def _sources(module: str, found: dict[str, str]) -> dict[str, str]:
    """Digests of the sources of a module and of what it has names from, by module.

    Of packages that are installed, only its own is followed.
    """
    source = _source(module)
    if source is None or module in found:
        return found
    found[module] = hashlib.sha256(source.read_bytes()).hexdigest()
    for value in list(vars(sys.modules[module]).values()):
        other = module_of(value)
        near = other.partition(".")[0] == module.partition(".")[0]
        installed = not {"site-packages", "dist-packages"}.isdisjoint(
            (_source(other) or Path()).parts
        )
        if not _has_a_version(other) and (near or not installed):
            _sources(other, found)
    return found


@functools.cache
def _surroundings() -> bytes:
    """Sources, versions and processor, in a few bytes."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(PACKAGE)).encode() + path.read_bytes())
    versions = (
        *(torch.__version__, platform.python_version(), *platform.libc_ver()),
        *(platform.machine(), _processor(), compiler_version()),
    )
    digest.update(repr(versions).encode())
    return digest.digest()


def _processor() -> str:
    """What tells one processor from another: code for one may not run on another."""
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        return f"{platform.processor()} {torch.backends.cpu.get_cpu_capability()}"
    wanted = ("model name", "flags", "Features")
    lines = facts.read_text().splitlines()
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))
