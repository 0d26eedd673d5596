"""``genlab sample RUN -n N``: draw from a run's model, in data units."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from genlab.cli.arguments import Parser, check_output, positive, seed
from genlab.cli.saved import SavedRun
from genlab.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["run"]

EXAMPLES = """\
  genlab sample latest                        a few rows to look at
  genlab sample latest -n 1000 -o new.csv
  genlab sample latest -n 1000 -o new.npz --seed 1    the array is called x
  genlab sample latest -n 5000 -o new.png             a picture (points in the plane)"""

SHOWN = 10


def run(words: list[str]) -> int:
    parser = Parser("sample", EXAMPLES)
    parser.add_run()
    parser.add_argument("-n", type=positive, default=1000, metavar="N",
                        help="number of samples (1000)")  # fmt: skip
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE",
                        help=".npz, .csv, .npy or .png")  # fmt: skip
    parser.add_argument("--seed", type=seed, metavar="S", help="for the same samples again")
    arguments = parser.parse(words)
    if arguments.output is not None:
        check_output(arguments.output, (".npz", ".csv", ".npy", ".png"))
    saved = SavedRun(arguments.run)
    model = saved.load().density

    import torch

    from genlab.evaluation.inference import draw_samples, inference

    generator = torch.Generator()
    # Short enough to be typed again.
    used = generator.seed() % 2**31 if arguments.seed is None else arguments.seed
    generator.manual_seed(used)
    if arguments.output is not None and arguments.output.suffix == ".png":
        _check_plane(model.event_shape)
    with inference(model, generator):
        x = draw_samples(model, arguments.n, generator=generator).cpu()
    print(saved.title)
    print(f"{len(x)} samples of shape {list(model.event_shape)}, seed {used}")
    if arguments.output is None:
        _show(x)
    else:
        _write(arguments.output, x)
        print(f"wrote {arguments.output}")
    return 0


def _check_plane(event_shape: tuple[int, ...]) -> None:
    if event_shape != (2,):
        raise UserError(
            f"-o: a .png shows points in the plane, but the samples have shape "
            f"{list(event_shape)}; write them to .npz, .npy or .csv"
        )


def _show(x: Tensor) -> None:
    from genlab.cli.points import column_names

    rows = x.flatten(1)[:SHOWN].tolist()
    print(",".join(column_names(len(rows[0]))))
    for row in rows:
        print(",".join(f"{value:.6g}" for value in row))
    if len(x) > SHOWN:
        print(f"... {len(x) - SHOWN} more; -o FILE keeps all")


def _write(path: Path, x: Tensor) -> None:
    import numpy as np

    from genlab.cli.points import column_names, write_table
    from genlab.runs.files import atomic_path

    if path.suffix == ".csv":
        rows = x.flatten(1).numpy()
        write_table(path, column_names(rows.shape[1]), rows)
        return
    with atomic_path(path) as temporary:
        if path.suffix == ".npz":
            np.savez(temporary, x=x.numpy())
        elif path.suffix == ".npy":
            np.save(temporary, x.numpy())
        else:
            _picture(temporary, x)


def _picture(path: Path, x: Tensor) -> None:
    from genlab.evaluation.figures.style import MODEL, panels, scatter
    from genlab.evaluation.figures.window import window_of

    figure, (axis,) = panels(1, 1, side=6.0)
    scatter(axis, x, MODEL)
    window_of(x, square=True).frame(axis)
    figure.savefig(path)
