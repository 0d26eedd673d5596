"""``genlab evaluate RUN``: test a run's best weights again."""

from __future__ import annotations

from genlab.cli.arguments import Parser
from genlab.cli.report import print_metrics
from genlab.cli.saved import SavedRun

__all__ = ["run"]

EXAMPLES = """\
  genlab evaluate latest
  genlab evaluate outputs/2025-01-31/12-00-00-realnvp-moons"""


def run(words: list[str]) -> int:
    parser = Parser("evaluate", EXAMPLES)
    parser.add_run()
    saved = SavedRun(parser.parse(words).run)
    metrics = saved.load().test()
    print_metrics(metrics, saved.title, likelihood=saved.manifest["likelihood"])
    return 0
