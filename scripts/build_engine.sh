#!/usr/bin/env bash
# Build the engine with a C++ compiler alone ($CXX, else c++): no Python, no CMake.
#   usage:  bash scripts/build_engine.sh [FOLDER]     $CXXFLAGS is added to src/native/flags.txt, to link also
#   expect: exit 0 after about 10 seconds; in FOLDER (default build/engine) libbimlp.so, whose interface is
#           src/engine/native/bimlp.h, the program bimlp_run, which reads JPEG and PNG where libjpeg-turbo and libpng are
#           installed (Debian: libjpeg62-turbo-dev, libpng-dev), and objects/.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,6p' "$0"; exit 2 ;; esac
folder="$(realpath -m "${1:-"$(dirname "$0")/../build/engine"}")"
source "$(dirname "$0")/compiler.sh"
cd "$(dirname "$0")/../src/engine/native"
find_compiler
export OBJECTS="$folder/objects"
export FLAGS="$(flags_of common engine | xargs) ${CXXFLAGS:-}"

# COMPILER.. FILE; a file's own flags are skipped if the compiler does not know them
compile() {
  local file="${*: -1}" own
  local compiler=("${@:1:$#-1}")
  own="$(flags_of "$(basename "$file")")"
  "${compiler[@]}" $own -x c++ -fsyntax-only /dev/null 2>/dev/null || own=""
  "${compiler[@]}" $FLAGS $own -c "$file" -o "$OBJECTS/$(basename "$file" .cc).o"
}
export -f compile flags_of
export FLAGS_FILE

mkdir -p "$OBJECTS"
rm -f "$OBJECTS"/*.o
find . ../../native -name '*.cc' -not -path './tools/*' | xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 1 bash -euc 'compile "$@"' compile "${compiler[@]}"
"${compiler[@]}" $FLAGS -shared "$OBJECTS"/*.o -o "$folder/libbimlp.so"
# of the objects, not of the library: it uses more than the library's interface
"${compiler[@]}" $FLAGS tools/*.cc "$OBJECTS"/*.o $(picture_flags "$folder") -o "$folder/bimlp_run"
