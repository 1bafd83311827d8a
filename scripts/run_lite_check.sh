#!/usr/bin/env bash
# Run MINDIR files in MindSpore Lite 2.0 on the CPU, and compare with MindSpore on random images.
#   usage:  bash scripts/run_lite_check.sh [FILE.mindir ...]      default: output/quickstart/bimlp_t.mindir
#   expect: a line for each file. Exit code 0 if all agree, 1 if one differs or is refused, 2 for bad arguments or no C++
#           compiler, 3 if the runtime is for another machine, or cannot be had. About 10 seconds a file.
# The first time it downloads Lite's wheel (169 MB) into the cache, $BIMLP_CACHE or ~/.cache/bimlp, where it takes 0.6 GB.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,6p' "$0"; exit 2 ;; esac
here="$(realpath "$(dirname "$0")")"
source "$here/environment.sh"
source "$here/compiler.sh"
VERSION=2.0.0
WHEEL="mindspore_lite-$VERSION-cp37-cp37m-manylinux1_x86_64.whl"
SHA256=199cd0605cc985b88eddb273db9dfe9000a585ba10ca2292b6b36ebfff07b3ec
if [ $# = 0 ]; then set -- "$here/../output/quickstart/bimlp_t.mindir"; fi
files=()
for file in "$@"; do files+=("$(existing FILE "$file")"); done
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "error: expected Linux on x86_64, for which there is a wheel, got $(uname -sm)" >&2
  exit 3
fi
cd "$here/.."
present_environment
find_compiler
cache="$(python -c 'from src.common.cache_folder import cache_dir; print(cache_dir())')"
lite="$cache/mindspore-lite-$VERSION"

if [ ! -d "$lite" ]; then
  work="$(mktemp -d -p "$cache")"
  trap 'rm -rf "$work"' EXIT
  if ! python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.7 \
    --implementation cp --platform manylinux1_x86_64 --dest "$work" "mindspore-lite==$VERSION"; then
    echo "error: mindspore-lite $VERSION: no package index has given the wheel" >&2
    exit 3
  fi
  if ! sha256sum --quiet --check <<<"$SHA256  $work/$WHEEL"; then
    echo "error: $WHEEL: expected the checksum $SHA256" >&2
    exit 3
  fi
  python -m zipfile -e "$work/$WHEEL" "$work/unpacked"
  mv -T "$work/unpacked/mindspore_lite" "$lite" 2>/dev/null || [ -d "$lite" ]
fi

source="$here/lite/run_mindir.cc"
runner="$lite/run_mindir-$(sha256sum "$source" | cut -c 1-16)"
if [ ! -x "$runner" ]; then
  part="$runner.$$.part"
  "${compiler[@]}" -std=c++17 -O2 -Wall -Wextra -D_GLIBCXX_USE_CXX11_ABI=0 -isystem "$lite" "$source" -o "$part" \
    -L"$lite/lib" -l:libmindspore-extendrt_python.so -Wl,--allow-shlib-undefined -Wl,-rpath,"$lite/lib"
  mv "$part" "$runner"
fi
LD_LIBRARY_PATH="$lite/lib" GLOG_v="${GLOG_v:-3}" "$runner" 2>/dev/null || [ $? = 2 ] || exit 3
exec env GLOG_v="${GLOG_v:-3}" python "$here/lite/check.py" "$runner" "${files[@]}"
