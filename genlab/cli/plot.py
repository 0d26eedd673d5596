"""``genlab plot RUN``: draw a run's figures again."""

from __future__ import annotations

from pathlib import Path

from genlab.cli.arguments import Parser
from genlab.cli.saved import SavedRun
from genlab.errors import UserError

__all__ = ["run"]

EXAMPLES = """\
  genlab plot latest                 into the run's own folder figures/
  genlab plot latest -o pictures/"""


def run(words: list[str]) -> int:
    parser = Parser("plot", EXAMPLES)
    parser.add_run()
    parser.add_argument("-o", dest="output", type=Path, metavar="DIR", help="another folder")
    arguments = parser.parse(words)
    saved = SavedRun(arguments.run)
    folder = saved.directory.figures if arguments.output is None else arguments.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"-o {folder}: cannot be written ({error.strerror})") from error

    figures = saved.load().figures()

    from genlab.evaluation.figures import save_figures

    for path in save_figures(figures, folder):
        print(path)
    return 0
