"""How often is the truth within two standard errors, where samples have weights? Case by case.

- `test/ess`: importance weights between Gaussians, whose effective share is known in closed form.
- `test/mmd`: weighted rows against samples of another Gaussian, and of the same one.
- `test/w2`, of samples of a perfect model, and its reference. Distances of finite clouds have no
  closed form: the truth is the mean over all cases of the kind, which an earlier commit shares.

A hundred seeded cases at each of the shares 50, 10 and 2 %, and of `test/ess` others whose weights
have no variance. Those that Pareto k marks as unreliable are counted apart: of the estimates that
are off by more than five standard errors it should mark nearly all.

What FILE holds is not done again. With TREE, a checkout of an earlier commit (`git worktree add
TREE e12e3d7`), its functions are judged on the same cases.

    python scripts/coverage.py [--before TREE] [--keep FILE]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import statistics
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genlab.batch import Batch
from genlab.evaluation import Estimate, distances, importance, suite
from genlab.runs.metrics import TAIL
from genlab.runs.text import aligned

SHARES = (0.5, 0.1, 0.02)
SEEDS = 100
ROWS = {"test/ess": 20_000, "test/mmd": 1000, "test/w2": 400}

Draw = Callable[[torch.Generator], Tensor]


class Tree(NamedTuple):
    """The functions of a checkout."""

    importance: ModuleType
    distances: ModuleType
    suite: ModuleType


NOW = Tree(importance, distances, suite)


class Case(NamedTuple):
    """Estimates whose truth is known.

    Attributes:
        metric: What is estimated.
        share: Effective share of the weights, 0 where they have no variance.
        seed: Which of the cases.
        log_weight: Makes the weights of `test/ess`.
    """

    metric: str
    share: float
    seed: int
    log_weight: Draw | None = None

    @property
    def kind(self) -> str:
        """The cases that are counted together."""
        return f"{self.metric}, {f'{self.share:.0%}' if self.share else 'no variance'}"

    def judge(self, tree: Tree) -> dict[str, float]:
        """The estimate, its error and the truth, and the shape of the weights' tail."""
        source = torch.Generator().manual_seed(self.seed)
        if self.log_weight is not None:
            log_weight = self.log_weight(source)
            return _told(tree.importance.effective_sample_size(log_weight), self.share, log_weight)
        n = ROWS[self.metric.removesuffix("/reference")]
        rows, mean = _normal(n, 2, source), torch.zeros(2, dtype=torch.float64)
        mean[0] = math.sqrt(-math.log(self.share))
        log_weight = rows @ mean
        batch = Batch(rows, weight=log_weight.exp())
        truth: Any = tree.suite._truth(batch, None, len(rows), source)
        away = 0.5 * (self.seed % 2) if self.metric == "test/mmd" else 0.0
        y = _normal(len(truth[0]), 2, source) + mean + away
        weights = [truth.weight, truth.other_weight] if hasattr(truth, "weight") else []
        if self.metric == "test/mmd":
            found = tree.distances.mmd(truth[0], y, *weights[:1], bandwidth=1.0)
            # E k of two points whose difference is N(d, 2 I): exp(-|d|^2 / 6) / 3.
            return _told(found, 2 / 3 * (1 - math.exp(-(away**2) / 3)), log_weight)
        if self.metric == "test/w2":
            other, weights = y, weights[:1] * 2
        else:
            other = truth[1]
        if weights:
            return _told(tree.distances.transport(truth[0], other, *weights), None, log_weight)
        value = tree.distances.wasserstein2(truth[0], other)
        return _told(Estimate(value, math.nan), None, log_weight)


def shifted(share: float) -> Draw:
    """Log-weights from N(0, I) to N(m, I): the share is ``exp(-|m|^2)``."""
    m = math.sqrt(-math.log(share))
    return lambda source: m * _normal(ROWS["test/ess"], 1, source)[:, 0]


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
    return k / 2 * _normal(ROWS["test/ess"], dim, source).square().sum(1)


def cases(seeds: int = SEEDS) -> Iterator[Case]:
    """All cases, ``seeds`` of each kind, those of `test/ess` first."""
    for share in SHARES:
        families = (
            shifted(share),
            scaled(share, 2, wider=True),
            scaled(share, 4, wider=True),
            scaled(share, 16, wider=True),
            scaled(share, 4, wider=False),
        )
        for seed in range(seeds):
            yield Case("test/ess", share, seed, families[seed % len(families)])
    for seed in range(seeds):
        draw = partial(heavy, 0.5 + 0.5 * (seed + 0.5) / seeds, 2)
        yield Case("test/ess", 0.0, seed, draw)
    for metric in ("test/mmd", "test/w2", "test/w2/reference"):
        for share in SHARES:
            for seed in range(seeds):
                yield Case(metric, share, seed)


def summary(found: Iterable[dict[str, Any]], truth: float | None = None) -> dict[str, float]:
    """Counts over judged cases of known error, and the share of the reliable that cover the truth.

    Args:
        found: What `Case.judge` has told.
        truth: The truth, where the cases do not tell it themselves.
    """
    found = [{**case, "truth": truth} if case["truth"] is None else case for case in found]
    known = [case for case in found if not math.isnan(case["se"])]
    reliable = [case for case in known if case["k"] <= TAIL[1]]
    far = [case["k"] > TAIL[1] for case in known if not _within(case, 5)]
    return {
        "cases": len(known),
        "reliable": len(reliable),
        "covered": sum(_within(case, 2) for case in reliable) / max(1, len(reliable)),
        "far": len(far),
        "marked": sum(far),
        "mean": statistics.mean(case["value"] for case in found),
    }


def _within(case: dict[str, Any], errors: float) -> bool:
    return abs(case["value"] - case["truth"]) <= errors * case["se"]


def _told(estimate: Estimate, truth: float | None, log_weight: Tensor) -> dict[str, Any]:
    k = importance.pareto_k(log_weight)
    return {"value": estimate.value, "se": estimate.se, "truth": truth, "k": k}


def _normal(n: int, dim: int, source: torch.Generator) -> Tensor:
    return torch.randn(n, dim, generator=source, dtype=torch.float64)


def _functions(tree: Path) -> Tree:
    """The functions of another checkout, above the present floors."""

    def module(name: str) -> ModuleType:
        path = tree / f"genlab/evaluation/{name}.py"
        spec = importlib.util.spec_from_file_location(f"before_{name}", path)
        assert spec is not None
        assert spec.loader is not None
        found = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found)
        return found

    return Tree(*map(module, Tree._fields))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--before", type=Path, metavar="TREE", help="another checkout, as well")
    parser.add_argument("--keep", type=Path, metavar="FILE", default=Path("coverage.jsonl"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    trees = {"now": NOW}
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
    header = (
        "kind",
        "",
        "mean",
        "cases",
        "k <= 0.7",
        "within 2 se",
        "off by 5 se",
        "of these marked",
    )
    rows = [header]
    for kind in dict.fromkeys(case.kind for case in cases(1)):
        judged = {
            name: [case for (tree, k, _), case in done.items() if (tree, k) == (name, kind)]
            for name in trees
        }
        truth = statistics.mean(case["value"] for case in judged["now"])
        for name, found in judged.items():
            told = summary(found, truth)
            covered = f"{told['covered']:.1%}" if told["reliable"] else "-"
            n, reliable, far, marked = (
                str(told[key]) for key in ("cases", "reliable", "far", "marked")
            )
            rows.append((kind, name, f"{told['mean']:.4f}", n, reliable, covered, far, marked))
    print("\n".join(aligned(rows)))


if __name__ == "__main__":
    main()
