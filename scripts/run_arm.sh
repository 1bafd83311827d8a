#!/usr/bin/env bash
# The engine on ARM, in an emulator: cross-compiled for AArch64 and for 32-bit ARM, its tests, random graphs against NumPy,
# and damaged files through an engine with sanitizers.
# Debian and Ubuntu: apt-get install g++-aarch64-linux-gnu g++-arm-linux-gnueabihf qemu-user
#   usage:  bash scripts/run_arm.sh [COUNT] [SEED] [FOLDER] [pytest arguments]
#           COUNT random graphs and damaged files each; default 1000 0 build/arm tests/engine
#   expect: exit 0 after about 12 minutes; for each machine the counts of pytest and two lines that end with "no fault".
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,7p' "$0"; exit 2 ;; esac
count="${1:-1000}" seed="${2:-0}"
out="$(realpath -m "${3:-"$(dirname "$0")/../build/arm"}")"
tests=("${@:4}")
cd "$(dirname "$0")/.."
source scripts/environment.sh
source scripts/compiler.sh
present_environment
# one core: QEMU 7.2 lets a load of AArch64 pass an earlier store that it must see, where several cores of x86 run it
core="$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)"

# MACHINE TRIPLE SANITIZERS
run() {
  export CXX="$2-g++" BIMLP_EMULATOR="taskset -c $core qemu-$1 -L /usr/$2" BIMLP_BUILD="$out/$1"
  echo "$1:"
  build "$BIMLP_BUILD" -Werror tests/engine/library_server.cc
  python -m pytest -n 0 -m "" "${tests[@]:-tests/engine}"
  python scripts/fuzz_graphs.py --shrink "$count" "$seed"
  build "$out/$1-sanitizers" "-O1 -g -D_GLIBCXX_ASSERTIONS -fsanitize=$3 -fno-sanitize-recover=all" src/engine/fuzz/{damage,fuzz_packed}.cc
  # leaks are looked for by a way that QEMU lacks
  ASAN_OPTIONS=detect_leaks=0 $BIMLP_EMULATOR "$out/$1-sanitizers/fuzz_packed" "$count" "$seed" "${seeds[@]:0:$count}"
}

# FOLDER FLAGS SOURCE..: the engine, and a program with its objects, named after the last source
build() (
  export CXXFLAGS="$2 -Wno-psabi ${CXXFLAGS:-}" # -Wno-psabi: no word on what GCC 7 changed in calls on 32-bit ARM
  bash scripts/build_engine.sh "$1"
  find_compiler
  "${compiler[@]}" $(flags_of common engine) $CXXFLAGS "${@:3}" "$1"/objects/*.o -o "$1/$(basename "${@: -1}" .cc)"
)

python scripts/fuzz_seeds.py "$out/seeds"
seeds=("$out"/seeds/*.packed)
run aarch64 aarch64-linux-gnu address,undefined
run arm arm-linux-gnueabihf undefined # QEMU gives memory in the fourth GiB, where the sanitizer of addresses sees the system
