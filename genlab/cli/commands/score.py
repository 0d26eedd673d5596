"""``genlab score RUN -i POINTS``: the log-density of a user's own points, of a solve also u."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.cli.arguments import Parser, check_output
from genlab.cli.run_argument import SavedRun
from genlab.errors import UserError, no_such_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["run"]

EXAMPLES = """\
  genlab score latest -i points.csv
  genlab score latest -i points.npy -o scores.csv

POINTS holds one point a row: CSV with or without a header, NPY, NPZ with an array x, or Parquet.
For a run on a table, columns are taken by name; a file without names holds all of the table's, or
just those that were learned, then those of the condition. Where some columns are integers or
categories, log p is of their masses, a lower bound by a few points of each row.
A CSV of scores repeats the points and adds a column log_prob, or model_log_prob
where one of them is called so; an NPY holds log_prob alone.
Of a solve it is u with its slopes, a column each: u, u_x, u_y; NaN outside the domain. Before them
stand the points in both kinds of file, and behind them log_prob of the density that has learned."""

LABELS = {"exact": "exact", "lower_bound": "a lower bound", "estimate": "an estimate"}


def run(words: list[str]) -> int:
    parser = Parser("score", EXAMPLES)
    parser.add_run()
    parser.add_argument("-i", dest="input", type=Path, required=True, metavar="POINTS",
                        help="the points, in data units")  # fmt: skip
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE", help=".csv or .npy")
    arguments = parser.parse(words)
    if arguments.output is not None:
        check_output(arguments.output, (".csv", ".npy"))
    file = arguments.input
    if not file.is_file():
        raise UserError(f"-i {file}: {no_such_file(file, [file.suffix.lower()])}")
    saved = SavedRun(arguments.run)
    experiment = saved.load()
    score = _score_solution if hasattr(experiment, "network") else _score_density
    return score(saved.title, experiment, file, arguments.output)


def _score_density(title: str, training: Any, points_file: Path, output: Path | None) -> int:
    """Tell how likely points are under the model of a training."""
    import numpy as np
    import torch

    from genlab.cli.point_files import read_points, read_rows, score_name, write_columns
    from genlab.densities.inference import inference

    # In double precision the score is as exact as the weights, also far out in the tails.
    model, data, context = training.density.double(), training.data, None
    if data.columns is None:
        points = read_points(points_file, model.event_shape)
        x = points.x
    else:
        points = read_rows(points_file, data)
        learned = len(data.file_columns or data.columns)
        x, given = points.x[:, :learned], torch.from_numpy(points.x[:, learned:])
        if data.label_column is not None:
            context = given[:, 0].long()
        elif data.context_columns:
            context = given
    with training.keys.telling(), inference(model):
        log_p = data.log_prob(model, x, context).numpy()
    print(title)
    _print_density(log_p, data.likelihood(model))
    if output is not None:
        rows = points.x.reshape(len(log_p), -1)
        typed = data.typed(rows)
        if typed is not None and output.suffix == ".csv":
            write_columns(output, {**typed, score_name(typed): log_p})
            print(f"wrote {output}")
        else:
            table = np.column_stack([rows, log_p])
            _write(output, (*points.columns, score_name(points.columns)), table, log_p)
    return 0


def _score_solution(title: str, solve: Any, points_file: Path, output: Path | None) -> int:
    """Tell what u is at points, and what the density is that its sampler learned."""
    import numpy as np
    import torch

    from genlab.cli.point_files import read_points
    from genlab.densities.density import Density
    from genlab.densities.inference import inference, log_probs

    points = read_points(points_file, (solve.problem.dim,))
    x = torch.from_numpy(points.x)
    with solve.keys.telling():
        columns = solve.at(x)
        model = getattr(solve.sampler, "model", None)
        if isinstance(model, Density):
            with inference(model.double()):
                columns["log_prob"] = log_probs(model, x)
    print(title)
    for name in solve.problem.components:
        values = columns[name].numpy()
        inside = np.isfinite(values)
        told = f"{name} at {len(x)} points: {_summary(values[inside])}"
        print(told + (f"  ({int((~inside).sum())} outside the domain)" if not inside.all() else ""))
    if "log_prob" in columns:
        _print_density(columns["log_prob"].numpy(), solve.density.likelihood)
    if output is not None:
        table = np.column_stack([points.x, *(column.numpy() for column in columns.values())])
        _write(output, (*points.columns, *columns), table, table)
    return 0


def _print_density(log_p: NDArray[np.float64], likelihood: str) -> None:
    label = LABELS[likelihood]
    print(f"log p of {len(log_p)} points in nats ({label}): {_summary(log_p)}")


def _summary(log_p: NDArray[np.float64]) -> str:
    if not len(log_p):
        return "none"
    text = f"mean {log_p.mean():.6g}  min {log_p.min():.6g}  max {log_p.max():.6g}"
    outside = int((log_p == float("-inf")).sum())
    return f"{text}  ({outside} of density 0)" if outside else text


def _write(
    path: Path, columns: tuple[str, ...], table: NDArray[np.float64], array: NDArray[np.float64]
) -> None:
    """Write a table to a CSV, or an array to an NPY."""
    import numpy as np

    from genlab.cli.point_files import write_table
    from genlab.runs.files import atomic_path

    if path.suffix == ".csv":
        write_table(path, columns, table)
    else:
        with atomic_path(path) as temporary:
            np.save(temporary, array)
    print(f"wrote {path}")
