"""``genlab plot RUN``: draw a run's figures again."""

from __future__ import annotations

from pathlib import Path

from genlab.cli.arguments import Parser
from genlab.errors import UserError
from genlab.runs.find import resolve
from genlab.runs.manifest import read_manifest

__all__ = ["run"]

EXAMPLES = """\
  genlab plot latest                 into the run's own folder figures/
  genlab plot latest -o pictures/"""


def run(words: list[str]) -> int:
    parser = Parser("plot", EXAMPLES)
    parser.add_argument("run", metavar="RUN", help="a path, a run's name, or `latest`")
    parser.add_argument("-o", dest="output", type=Path, metavar="DIR", help="another folder")
    arguments = parser.parse(words)
    directory = resolve(arguments.run)
    read_manifest(directory)
    folder = directory.figures if arguments.output is None else arguments.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"-o {folder}: cannot be written ({error.strerror})") from error

    from genlab import assembly
    from genlab.evaluation.figures import save_figures

    for path in save_figures(assembly.load(directory.path).figures(), folder):
        print(path)
    return 0
