#!/usr/bin/env bash
# Training speed of bimlp_t and bimlp_s beside PyTorch eager and torch.compile, in one run on this machine.
#   usage:  bash benchmarks/run_train.sh [--json] [--cases bimlp_t ...] [--blocks N] [--steps N] ...
#   needs:  the project's environment (PYTHON, default .venv/bin/python, else python3); on first use it makes
#           .venv-torch (200 MB download for a CPU-only PyTorch). TORCH_PYTHON names another one that has PyTorch.
#   expect: a line "largest_differences" per case, below 1e-4, before anything is timed; then a JSON line per
#           block and a table with the ratio of images/s. Half an hour on 2 cores (one case: minutes). Exit code 1 when the
#           two networks do not compute the same.
set -euo pipefail
source "$(dirname "$0")/environments.sh"
other=${TORCH_PYTHON:-$(foreign torch)}
exec "$python" "$root/benchmarks/train.py" --torch-python "$other" "$@"
