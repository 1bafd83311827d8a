# Sourced by scripts that compile: the C++ compiler, $CXX or c++.
#   find_compiler    puts the words of its command, which may have several and quotes ("ccache g++"), into the array
#                    `compiler`; ends the script with 2 where there is no such program
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
}
