"""What a conditional model is to be asked for: ``--condition 7``, ``"a=1.5,b=2"`` or a file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from genlab.errors import UserError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from genlab.data import DataModule
    from genlab.densities import Density

__all__ = ["HELP", "is_file", "read_condition"]

# As tables hold them.
TRUTH = {"false": 0.0, "true": 1.0}
# Values, of which a message names the first and the last only.
MANY = 8
HELP = 'a class such as 7 or GLY, values such as "a=1.5,b=2", or a file of them'


def is_file(text: str | None, data: DataModule) -> bool:
    """Whether a condition is a file of rows, each of which is to be answered."""
    return text is not None and text not in data.label_names and Path(text).is_file()


def read_condition(text: str | None, model: Density, data: DataModule) -> Tensor | None:
    """The context that ``--condition`` stands for: one row, or a row for each of a file.

    Args:
        text: What the user wrote; None without the option.
        model: The density that is to be conditioned.
        data: What it was trained on, which names the values.

    Returns:
        Labels ``[rows]``, or vectors ``[rows, c]`` in double precision; None for a model without a
        context.

    Raises:
        UserError: The model wants a context and gets none, or the other way round, or the text
            does not say one.
    """
    encoder = model.context_encoder
    if not encoder.dim:
        if text is not None:
            raise UserError(f"--condition {text}: this model is unconditional")
        return None
    if encoder.labels:
        return _labels(text, encoder.labels, data)
    names = data.context_columns or tuple(f"c{k + 1}" for k in range(encoder.context_dim))
    return _vectors(text, names, data)


def _labels(text: str | None, labels: int, data: DataModule) -> Tensor:
    """One label, by its name or number, alone or behind ``COLUMN=``; or those of a file."""
    import torch

    from genlab.data.frames import label_number

    column, names = data.label_column, data.label_names
    if column and text is not None and is_file(text, data):
        return _from_file(Path(text), [column], data)[:, 0].long()
    word = None if text is None else text.removeprefix(f"{column}=")
    return torch.tensor([label_number(word, names, labels, where="--condition")])


def _vectors(text: str | None, names: Sequence[str], data: DataModule) -> Tensor:
    import torch

    words = [f"{name}=VALUE" for name in names]
    wanted = ",".join(words if len(words) <= MANY else [words[0], "...", words[-1]])
    if text is None:
        raise UserError(f'--condition: missing; expected "{wanted}", or a file of such columns')
    if text.lstrip("-").replace(".", "", 1).isdecimal():
        raise UserError(f'--condition {text}: names no value; expected "{wanted}"')
    if "=" not in text:
        return _from_file(Path(text), names, data)
    given: dict[str, float] = {}
    for word in text.split(","):
        name, _, value = (part.strip() for part in word.partition("="))
        if name not in names:
            raise UserError(f"--condition {text}: no {name!r}; {nearest(name, names)}")
        if name in given:
            raise UserError(f"--condition {text}: {name} is given twice")
        try:
            given[name] = TRUTH[value.lower()] if value.lower() in TRUTH else float(value)
        except ValueError as error:
            raise UserError(f"--condition {text}: {value!r} is not a number") from error
        if not math.isfinite(given[name]):
            raise UserError(f"--condition {text}: {value!r} is not a finite number")
    if missing := [name for name in names if name not in given]:
        raise UserError(f'--condition {text}: {missing[0]} is missing; expected "{wanted}"')
    return torch.tensor([[given[name] for name in names]], dtype=torch.float64)


def _from_file(path: Path, names: Sequence[str], data: DataModule) -> Tensor:
    import torch

    from genlab.data.table_file import TableFile

    file = TableFile(path, "--condition", header=data.header, expected=names)
    table = file.read(names, names, data.names, by_level=[*data.categories])
    table.finite(file.where)
    return torch.from_numpy(table.levelled(file.where, names, data.categories))
