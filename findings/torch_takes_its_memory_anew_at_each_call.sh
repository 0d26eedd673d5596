#!/usr/bin/env bash
# torch 2.13.0 (CPU build), Python 3.11, glibc 2.36.
#
# A good engineer would guess: a network that is evaluated again and again on as many rows works in the same
#   memory after its first call, as on a GPU, where torch keeps what is freed.
# What happens: on the CPU torch leaves that to glibc, which gives the free end of the heap back to the system
#   when it is larger than twice the largest block that was freed. Activations of 8 MB, 30 MB in all, are
#   then taken anew in every call, at a fault for each page of 4 kB: some thousands a call. How many depends
#   on what happens to lie at the end of the heap, so that one process takes forty per cent longer than the
#   next, and timings of two libraries differ by what neither has done.
# What to do: MALLOC_TRIM_THRESHOLD_ and MALLOC_MMAP_THRESHOLD_ (32 MB at most) in the environment, or
#   `mallopt`, keep the memory: no fault is left. Set them alike for all sides of a comparison.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 numpy
cat > "$work/faults.py" <<'PYTHON'
import resource
import time

import torch

torch.set_num_threads(1)
torch.set_grad_enabled(False)
first, second = torch.nn.Linear(64, 512), torch.nn.Linear(512, 64)
x = torch.randn(4096, 64)


def call():
    y = x
    for _ in range(4):
        y = torch.tanh(second(torch.relu(first(y))))
    return y.sum().item()


def faults(calls=20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    start = time.process_time()
    for _ in range(calls):
        call()
    seconds = (time.process_time() - start) / calls
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / calls, seconds


faults()
found, seconds = faults()
print(f"{found:.0f} {seconds * 1e3:.1f}")
PYTHON
read -r usual usual_ms < <("$work/venv/bin/python" "$work/faults.py")
read -r kept kept_ms < <(MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=33554432 \
    "$work/venv/bin/python" "$work/faults.py")
echo "torch 2.13.0: $usual page faults a call, $usual_ms ms; with memory kept $kept faults, $kept_ms ms"
if [ "$usual" -lt 1000 ] || [ "$kept" -gt 50 ]; then
    echo "changed: memory is kept from call to call" >&2
    exit 1
fi
