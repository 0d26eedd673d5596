"""``genlab evaluate RUN``: test a run's best weights again."""

from __future__ import annotations

import sys

from genlab.cli.arguments import Parser
from genlab.cli.report import print_metrics
from genlab.cli.run_argument import SavedRun
from genlab.runs.status import effective_state

__all__ = ["run"]

EXAMPLES = """\
  genlab evaluate latest
  genlab evaluate outputs/2025-01-31/12-00-00-realnvp-moons"""


def run(words: list[str]) -> int:
    parser = Parser("evaluate", EXAMPLES)
    parser.add_run()
    saved = SavedRun(parser.parse(words).run)
    if effective_state(saved.directory) == "running":
        note = "the best weights so far of a run that is training; these numbers are not kept"
        print(f"note: {note}", file=sys.stderr)
    metrics = saved.load().test()
    print_metrics(metrics, saved.title, likelihood=saved.manifest["likelihood"])
    return 0
