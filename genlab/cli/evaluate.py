"""``genlab evaluate RUN``: test a run's best weights again."""

from __future__ import annotations

from genlab.cli.arguments import Parser
from genlab.cli.report import print_metrics
from genlab.runs.find import resolve
from genlab.runs.manifest import read_manifest

__all__ = ["run"]

EXAMPLES = """\
  genlab evaluate latest
  genlab evaluate outputs/2025-01-31/realnvp-moons"""


def run(words: list[str]) -> int:
    parser = Parser("evaluate", EXAMPLES)
    parser.add_argument("run", metavar="RUN", help="a path, a run's name, or `latest`")
    directory = resolve(parser.parse(words).run)
    manifest = read_manifest(directory)

    from genlab import assembly

    metrics = assembly.load(directory.path).test()
    title = f"{manifest['model']} on {manifest['data']}: {directory.path}"
    print_metrics(metrics, title, likelihood=manifest["likelihood"])
    return 0
