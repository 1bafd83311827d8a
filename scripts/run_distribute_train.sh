#!/usr/bin/env bash
# Train on several devices, data parallel, by MindSpore's launcher; the same for CPU, GPU and Ascend.
#   usage:  bash scripts/run_distribute_train.sh [DEVICE_NUM] [DATA_PATH] [CONFIG_PATH] [key=value ...]
#           DEVICE_NUM: devices of this host; DATA_PATH "" for the embedded digits
#   hosts:  on each of NODE_NUM hosts with its NODE_RANK (0, 1, ..), host 0's address in MASTER_ADDR and one MASTER_PORT
#   expect: the exit code of the job; what the ranks say is in LOG_DIR (default output/msrun), rank 0 in worker_0.log.
#           When the job fails the last lines say why: the error of a rank, or the end of the log of the first that ended.
#           SIGTERM or Ctrl-C: all workers save the run state after the step under way and end, and so does the script,
#           with 143 or 130, after at most GRACE (60) seconds; resume=true goes on.
# Tried here with CPU workers, two on one host and one on each of two; not tested here on GPU, Ascend and a real network.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,10p' "$0"; exit 0 ;; esac
here="$(dirname "$0")"
source "$here/environment.sh"
devices="${1-2}" hosts="${NODE_NUM:-1}" host="${NODE_RANK:-0}"
require_count DEVICE_NUM "$devices"
require_count NODE_NUM "$hosts"
if [ "$host" != 0 ]; then require_count NODE_RANK "$host"; fi
if [ "$host" -ge "$hosts" ]; then
  echo "error: NODE_RANK: expected a number below NODE_NUM=$hosts, got $host" >&2
  exit 2
fi
if [ "$hosts" -gt 1 ] && [ -z "${MASTER_ADDR:-}" ]; then
  echo "error: NODE_NUM=$hosts: expected the address of host 0 in MASTER_ADDR, got none" >&2
  exit 2
fi
data="${2:+$(existing DATA_PATH "$2")}"
config="${3:+$(existing CONFIG_PATH "$3")}"
shift $(($# > 3 ? 3 : $#))
cd "$here/.."
present_environment
address="${MASTER_ADDR:-127.0.0.1}" port="${MASTER_PORT:-8118}" logs="${LOG_DIR:-output/msrun}"
exec python -m src.commands.supervise "$address:$port" "$host" "$logs" \
  msrun --worker_num=$((devices * hosts)) --local_worker_num="$devices" --node_rank="$host" \
  --master_addr="$address" --master_port="$port" \
  --log_dir="$logs" --join=True --bind_core=True \
  train.py ${data:+--data_path "$data"} ${config:+--config_path "$config"} "$@"
