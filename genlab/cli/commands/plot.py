"""``genlab plot RUN``: draw a run's figures again."""

from __future__ import annotations

from pathlib import Path

from genlab.cli.arguments import Parser
from genlab.cli.run_argument import SavedRun
from genlab.errors import UserError

__all__ = ["run"]

EXAMPLES = """\
  genlab plot latest                 into the run's own folder figures/
  genlab plot latest -o figures/
  genlab plot latest --columns mass,x7,12    these columns of a table, not the first five
  genlab plot latest --animate       how a continuous flow moves, as a GIF"""


def run(words: list[str]) -> int:
    parser = Parser("plot", EXAMPLES)
    parser.add_run()
    parser.add_argument("-o", dest="output", type=Path, metavar="DIR", help="another folder")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--columns", type=_columns, default=(), metavar="NAME[,NAME]",
                      help="those of a table to show, by name or number from 0")  # fmt: skip
    kind.add_argument("--animate", action="store_true",
                      help="a GIF of particles and density, or of fields, instead")  # fmt: skip
    arguments = parser.parse(words)
    saved = SavedRun(arguments.run)
    folder = saved.directory.figures if arguments.output is None else arguments.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"-o {folder}: cannot be written ({error.strerror})") from error

    experiment = saved.load()
    if arguments.animate:
        print(experiment.animate(folder))
        return 0

    from genlab.evaluation.figures import save_figures

    for path in save_figures(experiment.draw(arguments.columns), folder):
        print(path)
    return 0


def _columns(text: str) -> tuple[str | int, ...]:
    """Columns as they are typed: names, and numbers from 0."""
    return tuple(int(word) if word.isdecimal() else word for word in text.split(","))
