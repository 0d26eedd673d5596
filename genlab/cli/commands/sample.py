"""``genlab sample RUN -n N``: draw from a run's model, in data units."""

from __future__ import annotations

from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.cli.arguments import Parser, check_output, positive, seed
from genlab.cli.condition import HELP, is_file, read_condition
from genlab.cli.run_argument import SavedRun
from genlab.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from genlab.data import DataModule
    from genlab.densities import Density

__all__ = ["run"]

EXAMPLES = """\
  genlab sample latest                        a few rows to look at
  genlab sample latest -n 1000 -o new.csv
  genlab sample latest -n 1000 -o new.npz --seed 1    the array is called x
  genlab sample latest -n 5000 -o new.png             a figure of points in the plane
  genlab sample latest -n 64 -o grid.png              a grid of images or fields
  genlab sample latest --condition 7 -n 64 -o 7.png   of one class
  genlab sample latest --condition "a=1.5,b=2"        given values of a table's columns
  genlab sample latest --condition species=Adelie     or one of its words
  genlab sample latest --condition rows.csv -n 10     10 for each row of a file

A CSV or Parquet file has the columns of the table that was learned, in its units and of its types,
those of the condition last. So has an NPZ of a table of several types, an array for each column.
Torsion angles are in degrees."""

SHOWN = 10


def run(words: list[str]) -> int:
    arguments = _parse(words)
    saved = SavedRun(arguments.run)
    experiment = saved.load()
    model, data = experiment.density, experiment.data
    if arguments.output is not None and arguments.output.suffix == ".png":
        _check_shown(model)
    context = read_condition(arguments.condition, model, data)
    n = arguments.n or 1000
    if context is not None and is_file(arguments.condition, data):
        context = context.repeat_interleave(arguments.n or 1, 0)
        n = len(context)

    with experiment.keys.telling():
        x, used = _drawn(model, n, context, arguments.seed)
    print(saved.title)
    print(f"{len(x)} samples of shape {list(model.event_shape)}, seed {used}")
    known = data.context_columns or data.label_column
    rows = data.in_file_units(_rows(x, context if known else None))
    names, typed = _names(data, x), data.typed(rows.numpy())
    columns = dict(zip(names, rows.numpy().T, strict=True)) if typed is None else typed
    if arguments.output is None:
        _show(columns)
        return 0
    suffix = arguments.output.suffix
    if suffix in (".csv", ".parquet") or (suffix == ".npz" and typed is not None):
        from genlab.cli.point_files import write_columns

        write_columns(arguments.output, columns)
    else:
        shown = x if model.image else rows[:, : x[0].numel()]
        # An array has no place for words.
        rows = rows[:, :-1] if data.label_column else rows
        _write(arguments.output, shown, x if data.columns is None else rows, data)
    print(f"wrote {arguments.output}")
    return 0


def _parse(words: list[str]) -> Namespace:
    parser = Parser("sample", EXAMPLES)
    parser.add_run()
    parser.add_argument("-n", type=positive, metavar="N",
                        help="number of samples (1000); 1 for each row of a file")  # fmt: skip
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE",
                        help=".npz, .csv, .parquet, .npy or .png")  # fmt: skip
    parser.add_argument("--condition", metavar="C", help=HELP)
    parser.add_argument("--seed", type=seed, metavar="S", help="for the same samples again")
    arguments = parser.parse(words)
    if arguments.output is not None:
        check_output(arguments.output, (".npz", ".csv", ".parquet", ".npy", ".png"))
        if arguments.output.suffix == ".parquet" and find_spec("pyarrow") is None:
            raise UserError(
                f"-o {arguments.output}: Parquet takes the package pyarrow; pip install pyarrow"
            )
    return arguments


def _drawn(
    model: Density, n: int, context: Tensor | None, chosen: int | None
) -> tuple[Tensor, int]:
    """Samples on the CPU, and the seed that gives them again: the chosen one, or any."""
    import torch

    from genlab.densities.inference import draw_samples, inference

    generator = torch.Generator()
    # Short enough to be typed again.
    used = generator.seed() % 2**31 if chosen is None else chosen
    generator.manual_seed(used)
    with inference(model, generator):
        return draw_samples(model, n, context, generator=generator).cpu(), used


def _check_shown(model: Density) -> None:
    if model.event_shape != (2,) and not model.image:
        raise UserError(
            f"-o: a .png shows points in the plane or images, but the samples have shape "
            f"{list(model.event_shape)}; write them to .npz, .npy or .csv"
        )


def _rows(x: Tensor, context: Tensor | None) -> Tensor:
    """Flat samples, each before the vector, or the class, that it was drawn under."""
    import torch

    if context is None:
        return x.flatten(1)
    given = context.to(x).reshape(len(context), -1)
    return torch.cat((x.flatten(1), given.expand(len(x), -1)), 1)


def _names(data: DataModule, x: Tensor) -> tuple[str, ...]:
    from genlab.cli.point_files import column_names

    own = data.file_columns or data.columns or column_names(x[0].numel())
    return (*own, *data.context_columns)


def _show(columns: Mapping[str, NDArray[Any]]) -> None:
    print(",".join(columns))
    first = (column[:SHOWN].tolist() for column in columns.values())
    for row in zip(*first, strict=True):
        print(",".join(f"{one:.6g}" if isinstance(one, float) else str(one) for one in row))
    if (more := len(next(iter(columns.values()))) - SHOWN) > 0:
        print(f"... {more} more; -o FILE keeps all")


def _write(path: Path, x: Tensor, rows: Tensor, data: DataModule) -> None:
    import numpy as np

    from genlab.runs.files import atomic_path

    with atomic_path(path) as temporary:
        if path.suffix == ".npz":
            np.savez(temporary, x=rows.numpy())
        elif path.suffix == ".npy":
            np.save(temporary, rows.numpy())
        else:
            from genlab.evaluation.figures import save_samples

            save_samples(x, temporary, quantity=data.quantity)
