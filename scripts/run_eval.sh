#!/usr/bin/env bash
# Evaluate a checkpoint.
#   usage:  bash scripts/run_eval.sh CHECKPOINT [DATA_PATH] [eval.py arguments ...]
#   expect: a table whose last line is "top1 = 0.9611 (346/360)".
set -euo pipefail
case "${1:-}" in "" | -h | --help) sed -n '2,4p' "$0"; exit 2 ;; esac
here="$(dirname "$0")"
source "$here/environment.sh"
checkpoint="$(absolute "$1")"
data="${2:+$(absolute "$2")}"
shift $(($# > 2 ? 2 : $#))
cd "$here/.."
present_environment
exec python eval.py --checkpoint "$checkpoint" ${data:+--data_path "$data"} "$@"
