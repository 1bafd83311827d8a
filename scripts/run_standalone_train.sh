#!/usr/bin/env bash
# Train on one device.
#   usage:  bash scripts/run_standalone_train.sh [DATA_PATH] [CONFIG_PATH] [key=value ...]
#           DATA_PATH "" for the embedded digits
#   expect: progress per epoch, checkpoints and metrics in output_dir/<stage>, exit code of the training.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,5p' "$0"; exit 0 ;; esac
here="$(dirname "$0")"
source "$here/environment.sh"
data="${1:+$(existing DATA_PATH "$1")}"
config="${2:+$(existing CONFIG_PATH "$2")}"
shift $(($# > 2 ? 2 : $#))
cd "$here/.."
present_environment
exec python train.py ${data:+--data_path "$data"} ${config:+--config_path "$config"} "$@"
