#!/usr/bin/env bash
# scikit-learn 1.9.1, scipy 1.17.1, Python 3.11.
#
# A good engineer would guess: KernelDensity(bandwidth="scott") takes the bandwidth of Scott's rule, the
#   deviation of the data times n^(-1 / (d + 4)), as scipy's gaussian_kde does; likewise "silverman".
# What happens: it is n^(-1 / (d + 4)), whatever the data are: numbers of unit variance fare well, the same
#   ones in other units lose nats, to either side. The documentation names the rules and no deviation.
# What to do: standardise the data, and take the logarithm of the deviations off the scores, or set a number.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import math

import numpy as np
import sklearn
from scipy.stats import gaussian_kde
from sklearn.neighbors import KernelDensity

print("scikit-learn", sklearn.__version__)
x, new = np.random.default_rng(0).standard_normal((2, 1000))
entropy = math.log(2 * math.pi * math.e) / 2
lost = {}
for unit in (0.01, 1.0, 100.0):
    for rule in ("scott", "silverman"):
        kde = KernelDensity(bandwidth=rule).fit(unit * x[:, None])
        ours = kde.score_samples(unit * new[:, None]).mean()
        theirs = gaussian_kde(unit * x, rule).logpdf(unit * new).mean()
        lost[unit, rule] = [-math.log(unit) - entropy - mean for mean in (ours, theirs)]
        print(f"deviation {unit:g}, {rule}: bandwidth {kde.bandwidth_:.3f}; the scores of new points miss the "
              "optimum by {:.2f} nats, by scipy {:.2f}".format(*lost[unit, rule]))
apart = all(lost[unit, rule][0] > 2 for unit, rule in lost if unit != 1)
right = all(pair[1] < 0.1 for pair in lost.values())
raise SystemExit(0 if apart and right else "changed: the rules know the deviation now")
PYTHON
