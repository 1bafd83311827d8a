#!/usr/bin/env bash
# Train on several devices, data parallel, by MindSpore's launcher; the same for CPU, GPU and Ascend.
#   usage:  bash scripts/run_distribute_train.sh [DEVICE_NUM] [DATA_PATH] [CONFIG_PATH] [key=value ...]
#           DEVICE_NUM: devices of this host; DATA_PATH "" for the embedded digits
#   hosts:  on each of NODE_NUM hosts with its NODE_RANK (0, 1, ...), the address of host 0 in MASTER_ADDR
#           and, optionally, MASTER_PORT
#   expect: the exit code of the job; what the ranks say is in LOG_DIR (default output/msrun), rank 0 in worker_0.log.
# Tried here with 2 CPU workers; not tested here on GPU, Ascend and several hosts.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,9p' "$0"; exit 0 ;; esac
devices="${1:-2}"
data="${2:+$(realpath "$2")}"
config="${3:+$(realpath "$3")}"
shift $(($# > 3 ? 3 : $#))
cd "$(dirname "$0")/.."
source scripts/environment.sh
present_environment
nodes="${NODE_NUM:-1}"
exec msrun --worker_num=$((devices * nodes)) --local_worker_num="$devices" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${MASTER_PORT:-8118}" --node_rank="${NODE_RANK:-0}" \
  --log_dir="${LOG_DIR:-output/msrun}" --join=True --bind_core=True \
  train.py ${data:+--data_path "$data"} ${config:+--config_path "$config"} "$@"
