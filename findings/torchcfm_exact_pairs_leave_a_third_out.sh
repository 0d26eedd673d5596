#!/usr/bin/env bash
# torchcfm 1.0.7, POT 0.9.7.post1, torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: ExactOptimalTransportConditionalFlowMatcher pairs a batch of noise with a
#   batch of data, one to one, as the plan between two equal batches is a permutation; and after
#   torch.manual_seed a step is the same again.
# What happens: as many pairs are drawn from the plan, with replacement. A share of 1/e, 37 %, of each
#   batch has no part in the step, others have two or more: a gradient is as noisy as that of half the
#   batch, as far as the data go. The draws are numpy's, which torch's seed does not reach.
# What to do: give `matcher.ot_sampler` a `sample_plan` with replace=False, which is the permutation, in an
#   order of numpy's; and call numpy.random.seed as well.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 scipy==1.17.1 pot==0.9.7.post1
"$work/venv/bin/pip" install --quiet --no-deps torchcfm==1.0.7
"$work/venv/bin/python" -W ignore - <<'PYTHON'
from functools import partial

import numpy as np
import torch
import torchcfm

print("torchcfm", torchcfm.__version__)
matcher = torchcfm.ExactOptimalTransportConditionalFlowMatcher()
x0, x1 = torch.randn(2, 512, 2, generator=torch.Generator().manual_seed(0))


def ends():
    """The rows of data at which the paths of a step end, as often as they do."""
    torch.manual_seed(0)
    t, x, velocity = matcher.sample_location_and_conditional_flow(x0, x1)
    return torch.cdist(x + (1 - t)[:, None] * velocity, x1).argmin(1)


first, second = ends(), ends()
used, same = len(first.unique()) / len(x1), torch.equal(first, second)
print(f"{used:.0%} of the data are used; the same pairs under the same seed of torch: {same}")
matcher.ot_sampler.sample_plan = partial(matcher.ot_sampler.sample_plan, replace=False)
seeded = [(np.random.seed(0), ends())[1] for _ in range(2)]
whole, repeated = len(seeded[0].unique()) / len(x1), torch.equal(*seeded)
print(f"{whole:.0%} with replace=False; the same pairs under the same seeds of torch and numpy: {repeated}")
usual = 0.55 < used < 0.7 and not same and whole == 1 and repeated
raise SystemExit(0 if usual else "changed: all data are used, or torch's seed holds")
PYTHON
