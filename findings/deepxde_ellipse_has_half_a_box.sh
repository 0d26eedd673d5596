#!/usr/bin/env bash
# deepxde 1.15.0, torch 2.13.0 (CPU build), Python 3.11.
#
# A good engineer would guess: the `bbox` of a geometry holds all of its points, as for each of the
#   other shapes; unions, differences and intersections draw their points there.
# What happens: the box of an Ellipse runs from the centre minus the larger semi-axis to the centre
#   plus the smaller one, in both coordinates. Nothing is raised: where an ellipse is joined with
#   another shape, random points leave out the part beyond the box.
# What to do: take centre -+ semimajor in both coordinates, which holds it at any angle, and join an
#   ellipse with something only where that part does not matter.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 deepxde==1.15.0
DDE_BACKEND=pytorch "$work/venv/bin/python" -W ignore - 2> /dev/null <<'PYTHON'
import deepxde as dde
import numpy as np

print("deepxde", dde.__version__)
np.random.seed(0)
ellipse = dde.geometry.Ellipse([0, 0], 2, 1)
joined = ellipse | dde.geometry.Disk([0, 0], 0.5)  # which adds nothing
box = [side.tolist() for side in ellipse.bbox]
alone, union = (shape.random_points(10_000)[:, 0] for shape in (ellipse, joined))
print(f"box of the ellipse with semi-axes 2 and 1: {box}")
print(f"x from {alone.min():.2f} to {alone.max():.2f} alone, "
      f"from {union.min():.2f} to {union.max():.2f} joined with a disk inside it")
usual = box == [[-2, -2], [1, 1]] and alone.max() > 1.9 and union.max() <= 1
raise SystemExit(0 if usual else "changed: the box holds the ellipse now")
PYTHON
