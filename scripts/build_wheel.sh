#!/usr/bin/env bash
# Build the wheel bimlp-engine: the compiled engine, its Python interface and the command bimlp-run.
#   usage:  bash scripts/build_wheel.sh [FOLDER]     $CXX (default c++) decides for which processors
#           CXX=aarch64-linux-gnu-g++ bash scripts/build_wheel.sh
#   expect: exit 0 after about a minute; the last line is the wheel, in FOLDER (default build/wheel).
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,6p' "$0"; exit 2 ;; esac
folder="$(realpath -m "${1:-"$(dirname "$0")/../build/wheel"}")"
cd "$(dirname "$0")/.."
source scripts/environment.sh
source scripts/compiler.sh
find_compiler
VENV="${WHEEL_VENV:-$PWD/.venv-wheel}" environment requirements-wheel.txt
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
CXXFLAGS="-Wl,-s ${CXXFLAGS:-}" bash scripts/build_engine.sh "$work/engine"
export BIMLP_LIBRARY="$work/engine/libbimlp.so" BIMLP_MACHINE="${MACHINE:-$(uname -m)}"
(cd packaging/engine && python -m hatchling build -t wheel -d "$work/plain")
mkdir -p "$folder"
rm -f "$folder"/bimlp_engine-*"$BIMLP_MACHINE".whl
auditwheel repair -w "$folder" "$work"/plain/*.whl
ls "$folder"/bimlp_engine-*"$BIMLP_MACHINE".whl
