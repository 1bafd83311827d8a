#!/usr/bin/env bash
# Build the engine with a C++ compiler alone ($CXX, else c++): no Python, no CMake.
#   usage:  bash scripts/build_engine.sh [FOLDER]     $CXXFLAGS is added to the flags below, to link also
#   expect: exit 0 after about 10 seconds; in FOLDER (default build/engine) libbimlp.so, whose interface is
#           src/engine/native/bimlp.h, the program bimlp_run, and objects/.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,5p' "$0"; exit 2 ;; esac
folder="$(realpath -m "${1:-"$(dirname "$0")/../build/engine"}")"
cd "$(dirname "$0")/../src/engine/native"
export CXX="${CXX:-c++}" OBJECTS="$folder/objects"
export FLAGS="-std=c++17 -O3 -fno-math-errno -Wall -Wextra -fPIC -pthread -fvisibility=hidden ${CXXFLAGS:-}"
if ! command -v "${CXX%% *}" >/dev/null; then
  echo "error: $CXX: expected a C++ compiler" >&2
  exit 2
fi

# a file's own flags are left out where the compiler does not know them
compile() {
  local own
  own="$(awk -v machine="$(uname -m)" -v file="$1" '$1 == machine && $2 == file { $1 = $2 = ""; print }' flags.txt)"
  $CXX $own -x c++ -fsyntax-only /dev/null 2>/dev/null || own=""
  $CXX $FLAGS $own -c "$1" -o "$OBJECTS/$(basename "$1" .cc).o"
}
export -f compile

mkdir -p "$OBJECTS"
rm -f "$OBJECTS"/*.o
printf '%s\n' *.cc | xargs -P "$(getconf _NPROCESSORS_ONLN)" -I {} bash -euc 'compile "{}"'
$CXX $FLAGS -shared "$OBJECTS"/*.o -o "$folder/libbimlp.so"
# of the objects, not of the library: it uses more than the library's interface
$CXX $FLAGS program/bimlp_run.cc "$OBJECTS"/*.o -o "$folder/bimlp_run"
