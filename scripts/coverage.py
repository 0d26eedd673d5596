"""How often is the truth within two standard errors? `test/ess`, case by case.

Importance weights between Gaussians, whose effective share is known in closed form: a hundred cases
at each of the shares 50, 10 and 2 %, and others whose weights have no variance. Those that Pareto k
marks as unreliable are counted apart: of the estimates that are off by more than five standard
errors it should mark nearly all.

What FILE holds is not done again. With TREE, a checkout of an earlier commit (`git worktree add
TREE e12e3d7`), its functions are judged on the same cases.

    python scripts/coverage.py [--before TREE] [--keep FILE]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genlab.evaluation import Estimate, importance
from genlab.runs.metrics import TAIL
from genlab.runs.text import aligned

SHARES = (0.5, 0.1, 0.02)
SEEDS = 100
N = 20_000

Draw = Callable[[torch.Generator], Tensor]


class Case(NamedTuple):
    """An estimate whose truth is known.

    Attributes:
        kind: The cases that are counted together.
        seed: Which of them.
        truth: What is estimated.
        log_weight: Makes the weights.
    """

    kind: str
    seed: int
    truth: float
    log_weight: Draw

    def judge(self, tree: ModuleType) -> dict[str, float]:
        """How many standard errors the estimate is off, and the shape of the weights' tail."""
        log_weight = self.log_weight(torch.Generator().manual_seed(self.seed))
        estimate: Estimate = tree.effective_sample_size(log_weight)
        return {
            "off": abs(estimate.value - self.truth) / estimate.se,
            "k": importance.pareto_k(log_weight),
        }


def shifted(share: float) -> Draw:
    """Log-weights from N(0, I) to N(m, I): the share is ``exp(-|m|^2)``."""
    return lambda source: math.sqrt(-math.log(share)) * _normal(1, source)[:, 0]


def scaled(share: float, dim: int, *, wider: bool) -> Draw:
    """Log-weights from N(0, I) to N(0, I / p): the share is ``(sqrt(2p - 1) / p)^dim``.

    The tail of the weights of a wider target has the shape ``1 - p``.
    """
    each = share ** (1 / dim)
    # each p = sqrt(2p - 1) has two roots, on either side of 1.
    p = (1 + (-1 if wider else 1) * math.sqrt(1 - each**2)) / each**2
    return partial(heavy, 1 - p, dim)


def heavy(k: float, dim: int, source: torch.Generator) -> Tensor:
    """Log-weights from N(0, I) to N(0, I / (1 - k)): from k = 1/2 on they have no variance."""
    return k / 2 * _normal(dim, source).square().sum(1)


def cases(seeds: int = SEEDS) -> Iterator[Case]:
    """All cases, ``seeds`` of each kind."""
    for share in SHARES:
        families = (
            shifted(share),
            scaled(share, 2, wider=True),
            scaled(share, 4, wider=True),
            scaled(share, 16, wider=True),
            scaled(share, 4, wider=False),
        )
        for seed in range(seeds):
            yield Case(f"test/ess, {share:.0%}", seed, share, families[seed % len(families)])
    for seed in range(seeds):
        draw = partial(heavy, 0.5 + 0.5 * (seed + 0.5) / seeds, 2)
        yield Case("test/ess, no variance", seed, 0.0, draw)


def summary(found: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Counts over judged cases, and the share of the reliable ones that cover the truth."""
    found = list(found)
    reliable = [case["off"] for case in found if case["k"] <= TAIL[1]]
    far = [case["k"] > TAIL[1] for case in found if case["off"] > 5]
    return {
        "cases": len(found),
        "reliable": len(reliable),
        "covered": sum(off <= 2 for off in reliable) / max(1, len(reliable)),
        "far": len(far),
        "marked": sum(far),
    }


def _normal(dim: int, source: torch.Generator) -> Tensor:
    return torch.randn(N, dim, generator=source, dtype=torch.float64)


def _functions(tree: Path) -> ModuleType:
    """The estimators of another checkout, above the present floors."""
    path = tree / "genlab/evaluation/importance.py"
    spec = importlib.util.spec_from_file_location("before", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--before", type=Path, metavar="TREE", help="another checkout, as well")
    parser.add_argument("--keep", type=Path, metavar="FILE", default=Path("coverage.jsonl"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    trees = {"now": importance}
    if arguments.before is not None:
        trees = {"before": _functions(arguments.before), **trees}
    kept = arguments.keep.read_text().splitlines() if arguments.keep.exists() else []
    done = {(c["tree"], c["kind"], c["seed"]): c for c in map(json.loads, kept)}
    with arguments.keep.open("a") as file:
        for case in cases():
            for name, tree in trees.items():
                key = (name, case.kind, case.seed)
                if key not in done:
                    names = {"tree": name, "kind": case.kind, "seed": case.seed}
                    done[key] = {**names, **case.judge(tree)}
                    print(json.dumps(done[key]), file=file, flush=True)
    rows = [("kind", "", "cases", "k <= 0.7", "within 2 se", "off by 5 se", "of these k > 0.7")]
    for kind in dict.fromkeys(case.kind for case in cases(1)):
        for name in trees:
            told = summary(c for (tree, k, _), c in done.items() if (tree, k) == (name, kind))
            numbers = (told["cases"], told["reliable"], f"{told['covered']:.1%}")
            rows.append((kind, name, *map(str, numbers), str(told["far"]), str(told["marked"])))
    print("\n".join(aligned(rows)))


if __name__ == "__main__":
    main()
