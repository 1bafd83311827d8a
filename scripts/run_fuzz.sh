#!/usr/bin/env bash
# Damaged packed files through the engine, compiled with the sanitizers of addresses and undefined behaviour.
#   usage:  bash scripts/run_fuzz.sh [COUNT] [SEED] [FOLDER]     default 20000 0 build/fuzz
#   expect: exit 0 after about a minute, what became of the files, and a last line that ends with "no fault".
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,4p' "$0"; exit 2 ;; esac
out="$(realpath -m "${3:-"$(dirname "$0")/../build/fuzz"}")"
cd "$(dirname "$0")/.."
source scripts/environment.sh
source scripts/compiler.sh
present_environment
python scripts/fuzz_seeds.py "$out/seeds"
export CXXFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all ${CXXFLAGS:-}"
bash scripts/build_engine.sh "$out"
find_compiler
"${compiler[@]}" $(flags_of common engine) $CXXFLAGS src/engine/fuzz/fuzz_packed.cc "$out"/objects/*.o -o "$out/fuzz_packed"
# bimlp_t only as it is: it is slow
"$out/fuzz_packed" 0 0 "$out/seeds/bimlp_t.packed"
"$out/fuzz_packed" "${1:-20000}" "${2:-0}" "$out"/seeds/{small,odd,local}.packed
