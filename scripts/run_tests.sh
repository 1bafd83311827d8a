#!/usr/bin/env bash
# The linter and the tests, but those marked "thorough" (a second fault of a kind; .ci/run runs them).
#   usage:  bash scripts/run_tests.sh [--fast] [pytest arguments]
#           --fast: only what neither compiles a graph nor starts the framework, for those who are typing
#   expect: exit 0; on first use the packages (1 GB), then 16 to 19 minutes on 2 CPU cores; at the end the slowest tests.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
environment requirements-dev.txt
ruff check .
ruff format --check .
find src tests benchmarks '(' -name '*.cc' -o -name '*.h' ')' -print0 | xargs -0 clang-format --dry-run -Werror
# three processes: most of the time goes into compiling graphs, which takes one core, and into programs that wait; a
# module's tests stay together, and modules come in the order of tests/conftest.py
python -m pytest -n 3 --dist loadscope --no-loadscope-reorder --durations=20 "$@"
