#!/usr/bin/env bash
# Inference of the engine beside MindSpore, ONNX Runtime and OpenVINO, in one run on this machine.
#   usage:  bash benchmarks/run_engine.sh [--json] [--rounds N] [--quick] [--only engine,...]
#           bash benchmarks/run_engine.sh switches|networks [--json] [--rounds N] [--quick] [--threads N] [--only NAME ..]
#           (engine_table.py)
#   needs:  the project's environment with requirements-dev.txt (PYTHON, default .venv/bin/python, else python3); on first
#           use it makes .venv-engine. RUNTIMES_PYTHON names another one that has the runtimes.
#   expect: a line "verified" per contender before anything is timed; then a JSON line per block and a table. Twenty minutes
#           on 2 cores. Exit code 1 when a contender does not compute what the network does.
set -euo pipefail
source "$(dirname "$0")/environments.sh"
other=${RUNTIMES_PYTHON:-$(foreign engine)}
program=engine.py
if [[ ${1:-} == switches || ${1:-} == networks ]]; then
    program=engine_table.py
fi
exec "$python" "$root/benchmarks/$program" --runtimes-python "$other" "$@"
