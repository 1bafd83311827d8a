#!/usr/bin/env bash
# Inference of the engine beside MindSpore, ONNX Runtime and OpenVINO, in one run on this machine.
#   usage:  bash benchmarks/run_engine.sh [--json] [--rounds N] [--quick] [--only engine,...]
#   needs:  the project's environment with requirements-dev.txt (PYTHON, default .venv/bin/python, else python3); on first
#           use it makes .venv-engine. RUNTIMES_PYTHON names another one that has the runtimes.
#   expect: a line "verified" per contender before anything is timed; then a JSON line per block and a table. Twenty minutes
#           on 2 cores. Exit code 1 when a contender does not compute what the network does.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

python=${PYTHON:-$root/.venv/bin/python}
if [[ -z ${PYTHON:-} && ! -x $python ]]; then
    python=python3
fi

if [[ -z ${RUNTIMES_PYTHON:-} ]]; then
    wanted=$root/benchmarks/requirements-engine.txt
    installed=$root/.venv-engine/requirements-engine.txt # written last: a broken installation is made anew
    if ! cmp -s "$wanted" "$installed"; then
        "$python" -m venv --clear "$root/.venv-engine"
        "$root/.venv-engine/bin/python" -m pip install --quiet -r "$wanted" >&2
        cp "$wanted" "$installed"
    fi
    RUNTIMES_PYTHON=$root/.venv-engine/bin/python
fi

exec "$python" "$root/benchmarks/engine.py" --runtimes-python "$RUNTIMES_PYTHON" "$@"
