"""``python -m genlab.assembly``: help to fit the run in ``GENLAB_RUN``, and keep nothing of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from genlab.assembly.entry import from_config
from genlab.assembly.helper import RUN
from genlab.config.stored import read_config
from genlab.errors import GenlabError, Interrupted
from genlab.runs.directory import RunDirectory

__all__: list[str] = []


def main() -> int:
    """Fit together with the process that has started this one; the exit status."""
    run = RunDirectory(Path(os.environ[RUN]))
    try:
        from_config(read_config(run), run).fit(resume=run.last.exists())
    except GenlabError as error:
        print(f"genlab: {error}", file=sys.stderr)
        return error.exit_status
    except (Interrupted, KeyboardInterrupt):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
