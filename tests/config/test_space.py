"""A search space in the words of a sweep."""

from __future__ import annotations

import pytest

from genlab.cli.search import Choice, Interval, Steps, split_space
from genlab.errors import UserError


def test_what_is_searched_and_what_is_fixed() -> None:
    words = [
        "optimizer.lr=tag(log,interval(1e-4,1e-2))",
        "model.layers=range(2,11,step=2)",
        "model.hidden=choice([8],[16,16])",
        "+model.alpha=interval(0,1)",
        "model=nice,realnvp",
        "seed=1",
        "model.bins=[1,2]",
    ]
    space, fixed = split_space(words)
    assert space == {
        "optimizer.lr": Interval(1e-4, 1e-2, log=True),
        "model.layers": Steps(2, 10, 2),
        "model.hidden": Choice(("[8]", "[16,16]")),
        "+model.alpha": Interval(0.0, 1.0, log=False),
        "model": Choice(("nice", "realnvp")),
    }
    assert fixed == ["seed=1", "model.bins=[1,2]"]


@pytest.mark.parametrize("interval", ["interval(2,1)", "tag(log,interval(0,1))"])
def test_an_empty_interval(interval: str) -> None:
    with pytest.raises(UserError, match=r"x=.*expected .*low < high"):
        split_space([f"x={interval}"])
