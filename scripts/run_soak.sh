#!/usr/bin/env bash
# Every fault of docs/reliability.md as often as it says there: kills, full disks, damage, bad pictures, lost workers.
#   usage:  bash scripts/run_soak.sh [REPORT]
#           REPORT: JSON lines of what was done, made anew (default output/soak.jsonl)
#   expect: exit 0 after about 45 minutes on 2 CPU cores; the table of docs/reliability.md, then what databases of known holes
#           say of the packages (scripts/run_audit.sh; that none of them answers is no failure, docs/security.md).
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,6p' "$0"; exit 0 ;; esac
report="$(realpath -m "${1:-"$(dirname "$0")/../output/soak.jsonl"}")"
cd "$(dirname "$0")/.."
source scripts/environment.sh
environment requirements-dev.txt
mkdir -p "$(dirname "$report")"
rm -f "$report"
python -m pytest -n 2 --dist loadscope --no-loadscope-reorder tests/faults --soak --report "$report" --durations=15
python scripts/soak_table.py "$report"
bash scripts/run_audit.sh || [ $? = 3 ]
