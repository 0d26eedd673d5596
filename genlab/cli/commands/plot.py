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
  genlab plot latest --animate       how a continuous flow moves, as a GIF"""


def run(words: list[str]) -> int:
    parser = Parser("plot", EXAMPLES)
    parser.add_run()
    parser.add_argument("-o", dest="output", type=Path, metavar="DIR", help="another folder")
    parser.add_argument("--animate", action="store_true",
                        help="a GIF of particles and density, instead")  # fmt: skip
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

    for path in save_figures(experiment.figures, folder):
        print(path)
    return 0
