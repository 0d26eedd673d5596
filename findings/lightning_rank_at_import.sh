#!/usr/bin/env bash
# lightning 2.6.6, torch 2.13.0, tensorboard 2.21.0, Linux.
#
# A job step that srun starts gives each task SLURM_PROCID, and a script of one device that runs in
# four of them, one seed each, is an everyday thing. A good engineer guesses that
# Trainer(devices=1) takes part in nothing, logs as it does on a laptop, and that
# trainer.is_global_zero, which is True, tells whether this process logs.
#
# What happens: `rank_zero_only.rank` is set when Lightning is imported, from RANK, LOCAL_RANK,
# SLURM_PROCID or JSM_NAMESPACE_RANK, whichever comes first, and a single-device strategy never sets
# it again. So on each task but the first the loggers are dummies: the fit ends without an error,
# saves its checkpoint, says is_global_zero=True, and writes no event file.
#
# What to do: for one device set `lightning.pytorch.utilities.rank_zero_only.rank = 0` before the
# fit, and pass an environment of your own as a plugin, as the one for Slurm refuses
# SLURM_NTASKS > 1 without SLURM_NTASKS_PER_NODE.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 lightning==2.6.6 tensorboard==2.21.0
cat > "$folder/fit.py" <<'EOF'
import sys
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

if "repaired" in sys.argv:
    rank_zero_only.rank = 0
folder = Path(sys.argv[1])
trainer = pl.Trainer(
    accelerator="cpu", devices=1, max_steps=2, log_every_n_steps=1, limit_val_batches=0,
    logger=TensorBoardLogger(folder), enable_progress_bar=False, enable_model_summary=False,
)
trainer.fit(BoringModel())
trainer.save_checkpoint(folder / "last.ckpt")
events = len(list(folder.rglob("events.*")))
print(f"lightning {pl.__version__} torch {torch.__version__}: is_global_zero={trainer.is_global_zero} "
      f"rank_zero_only.rank={rank_zero_only.rank} steps={trainer.global_step} "
      f"checkpoint={(folder / 'last.ckpt').exists()} event files={events}")
EOF
fit() { "$folder/venv/bin/python" -W ignore "$folder/fit.py" "$@" 2> /dev/null; }
task=(env SLURM_JOB_ID=7 SLURM_JOB_NAME=job SLURM_NTASKS=4 SLURM_NTASKS_PER_NODE=1 SLURM_NNODES=1
    SLURM_NODEID=0 SLURM_LOCALID=1 SLURM_PROCID=1)
alone=$(fit "$folder/alone")
second=$("${task[@]}" "$folder/venv/bin/python" -W ignore "$folder/fit.py" "$folder/second" 2> /dev/null)
repaired=$("${task[@]}" "$folder/venv/bin/python" -W ignore "$folder/fit.py" "$folder/third" repaired 2> /dev/null)
printf 'no cluster:  %s\ntask 1 of 4: %s\nrank set:    %s\n' "$alone" "$second" "$repaired"
[[ $alone == *"is_global_zero=True rank_zero_only.rank=0"*"event files=1" ]]
[[ $second == *"is_global_zero=True rank_zero_only.rank=1 steps=2 checkpoint=True event files=0" ]]
[[ $repaired == *"event files=1" ]]
