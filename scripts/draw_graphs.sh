#!/usr/bin/env bash
# The pictures of whole networks in docs/networks.md.
#   usage:  bash scripts/draw_graphs.sh [FOLDER] [NAME ...]     default: docs bimlp_s wave_mlp_t resnet18
#   expect: a line per picture, graph-NAME.png in FOLDER, less than 150,000 bytes each, after about 20 seconds.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,4p' "$0"; exit 2 ;; esac
here="$(dirname "$0")"
source "$here/environment.sh"
folder="$(absolute "${1:-$here/../docs}")"
shift $(($# > 0))
cd "$here/.."
present_environment
[ $# -gt 0 ] || set -- bimlp_s wave_mlp_t resnet18
for name in "$@"; do
  python -m src.commands.describe --model "$name" --plot "$folder/graph-$name.png" >/dev/null
done
