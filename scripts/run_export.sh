#!/usr/bin/env bash
# Export a checkpoint.
#   usage:  bash scripts/run_export.sh CHECKPOINT [MINDIR|ONNX] [export.py arguments ...]
#   expect: the path, bytes and largest difference of a file that was compared with the network.
set -euo pipefail
case "${1:-}" in "" | -h | --help) sed -n '2,4p' "$0"; exit 2 ;; esac
here="$(dirname "$0")"
source "$here/environment.sh"
checkpoint="$(absolute "$1")"
format="${2:-MINDIR}"
shift $(($# > 2 ? 2 : $#))
cd "$here/.."
present_environment
exec python export.py --checkpoint "$checkpoint" --file_format "$format" "$@"
