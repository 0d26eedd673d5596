"""What a target takes, read from its signature."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, Unpack

import pytest
import torch

from genlab.bounds import Bound, PositiveInt
from genlab.config.targets import locate
from genlab.errors import UserError
from genlab.learning.settings import TrainerSettings
from genlab.signature import signature

if TYPE_CHECKING:
    from fractions import Fraction


class Base:
    def __init__(self, width: PositiveInt, *, depth: int = 2) -> None:
        self.width, self.depth = width, depth


class Derived(Base):
    """Inherits its constructor."""


class Loose(Base):
    def __init__(self, ratio: Fraction, **rest: int) -> None:
        super().__init__(**rest)
        self.ratio = ratio


class Options(TypedDict, total=False):
    depth: PositiveInt


def told(width: int, **options: Unpack[Options]) -> None: ...


def test_unpacked_options_are_parameters() -> None:
    takes = signature(told)
    assert not takes.open
    assert takes.positional == ("width",)
    assert takes.parameters["depth"].annotation == PositiveInt
    assert not takes.parameters["depth"].required


@dataclass
class Record:
    size: PositiveInt
    name: str = "a"


@dataclass
class Extended(Record):
    rate: float = 0.5


def function(a: int, b: str = "x") -> str:
    return b * a


def test_class() -> None:
    takes = signature(Base)
    assert list(takes.parameters) == ["width", "depth"]
    assert takes.parameters["width"].annotation == Annotated[int, Bound(1)]
    assert [p.required for p in takes.parameters.values()] == [True, False]
    assert takes.positional == ("width",)
    assert not takes.open


def test_inherited_constructor() -> None:
    assert signature(Derived) == signature(Base)


def test_keywords_make_it_open_and_hidden_names_do_not_matter() -> None:
    takes = signature(Loose)
    assert takes.open
    assert list(takes.parameters) == ["ratio"]
    assert takes.parameters["ratio"].annotation is Any


def test_dataclass_with_inherited_fields() -> None:
    parameters = signature(Extended).parameters
    assert list(parameters) == ["size", "name", "rate"]
    assert parameters["size"].annotation == Annotated[int, Bound(1)]
    assert parameters["rate"].annotation is float


def test_function() -> None:
    parameters = signature(function).parameters
    assert parameters["a"].annotation is int
    assert not parameters["b"].required


def test_foreign_classes() -> None:
    adam = signature(torch.optim.Adam).parameters
    assert adam["params"].required
    assert adam["fused"].annotation == bool | None
    assert signature(OrderedDict).open
    assert signature(TrainerSettings).parameters["patience"].annotation == PositiveInt | None


def test_locate() -> None:
    assert locate("model", "torch.optim.Adam") is torch.optim.Adam
    assert locate("model", "pathlib.Path.home") == Path.home


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_module.Model", "no module 'no_such_module'; is its folder in PYTHONPATH?"),
        ("genlab.models.RealNVPP", "no 'RealNVPP' in genlab.models; did you mean 'RealNVP'?"),
        ("genlab.modells.NICE", "no 'modells' in genlab; did you mean 'models'?"),
        ("genlab.models", "expected a class or a function"),
        ("genlab.__version__", "expected a class or a function"),
    ],
)
def test_locate_names_the_nearest(path: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        locate("model", path)
    assert str(caught.value) == f"model._target_={path}: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", "cannot be imported: SyntaxError: invalid syntax"),
        ("raise RuntimeError('no licence')\n", "cannot be imported: RuntimeError: no licence"),
        ("import not_installed_here\n", "cannot be imported: No module named 'not_installed_here'"),
    ],
)
def test_a_users_broken_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    name = f"broken_{abs(hash(text))}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=message):
        locate("model", f"{name}.Model")
