# Sourced by scripts that compile: the C++ compiler, $CXX or c++, and its flags.
#   find_compiler     puts the words of its command, which may have several and quotes ("ccache g++"), into the array
#                     `compiler`, and the machine for which it compiles into MACHINE; ends the script with 2 where there
#                     is no such program
#   flags_of PART..   prints the flags of these parts of src/native/flags.txt for MACHINE, by default this one
#   picture_flags FOLDER   prints the flags for the system's libraries of pictures, those that are there; writes to FOLDER
find_compiler() {
  local words
  if ! words="$(xargs -n 1 printf '%s\n' <<<"${CXX:-c++}" 2>/dev/null)"; then
    echo "error: CXX: expected a command, got $CXX" >&2
    exit 2
  fi
  mapfile -t compiler <<<"$words"
  if ! command -v "${compiler[0]}" >/dev/null; then
    echo "error: ${CXX:-c++}: expected a C++ compiler" >&2
    exit 2
  fi
  local triple
  triple="$("${compiler[@]}" -dumpmachine 2>/dev/null)" || triple=""
  export MACHINE="${triple%%-*}"
}

FLAGS_FILE="$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../src/native/flags.txt"
flags_of() {
  local part
  for part in "$@"; do
    awk -v machine="${MACHINE:-$(uname -m)}" -v part="$part" \
      '!/^#/ && ($1 == "*" || $1 == machine) && $2 == part { $1 = $2 = ""; print }' "$FLAGS_FILE"
  done
}

picture_flags() {
  local library
  for library in jpeg:jpeglib.h png:png.h; do
    local name="${library%%:*}"
    if "${compiler[@]}" ${FLAGS:-} -include cstdio -include "${library#*:}" -x c++ - "-l$name" -o "$1/probe" 2>/dev/null <<<"int main() {}"; then
      echo "-DBIMLP_${name^^} -l$name"
    fi
    rm -f "$1/probe"
  done
}
