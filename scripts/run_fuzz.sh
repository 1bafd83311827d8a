#!/usr/bin/env bash
# Damaged packed files through the engine, compiled with the sanitizers of addresses and undefined behaviour, and to both
# readers; damaged pictures; random graphs in the engine against NumPy.
#   usage:  bash scripts/run_fuzz.sh [COUNT] [SEED] [FOLDER]     of each kind; default 20000 0 build/fuzz
#   expect: exit 0 after some ten minutes, what became of the files, and four lines that end with "no fault".
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,5p' "$0"; exit 2 ;; esac
count="${1:-20000}" seed="${2:-0}"
out="$(realpath -m "${3:-"$(dirname "$0")/../build/fuzz"}")"
cd "$(dirname "$0")/.."
source scripts/environment.sh
source scripts/compiler.sh
present_environment
python scripts/fuzz_readers.py "$count" "$seed"
python scripts/fuzz_graphs.py --shrink "$count" "$seed"
python scripts/fuzz_seeds.py "$out/seeds"
export CXXFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all ${CXXFLAGS:-}"
bash scripts/build_engine.sh "$out"
find_compiler
# NAME SOURCE..
program() {
  "${compiler[@]}" $(flags_of common engine) $CXXFLAGS -Isrc/engine/native "src/engine/fuzz/$1.cc" src/engine/fuzz/damage.cc \
    "${@:2}" "$out"/objects/*.o $(picture_flags "$out") -o "$out/$1"
}
program fuzz_packed
"$out/fuzz_packed" "$count" "$seed" "$out"/seeds/*.packed
program fuzz_pictures src/engine/native/tools/{decode,jpeg,png,picture}.cc
"$out/fuzz_pictures" "$count" "$seed" "$out"/seeds/picture*
