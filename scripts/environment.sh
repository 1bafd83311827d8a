# Sourced by the other scripts: an environment with the project's packages, made on first use.
#   environment FILE      makes $VENV (default .venv) if need be, installs requirements FILE, activates it
#   present_environment   activates it if it is there, and installs nothing
#   absolute PATH         its absolute path; "~/x" is in the home folder
#   existing NAME PATH    the same; ends with 2 where nothing is there, naming the argument NAME
#   require_count NAME N  ends with 2 unless N is a whole number from 1 to 9999
# A VENV whose packages are the file's already is used as it is.
environment() {
  local requirements="$1" venv="${VENV:-$PWD/.venv}" python stamp
  if [ ! -x "$venv/bin/python" ]; then
    for python in python3.11 python3.12 python3.10 python3; do
      if "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
        break
      fi
      python=""
    done
    if [ -z "$python" ]; then
      echo "error: Python 3.10 to 3.12 is needed, found none of python3.10, python3.11, python3.12" >&2
      exit 2
    fi
    "$python" -m venv "$venv"
  fi
  stamp="$venv/$requirements.installed"
  if ! cat requirements.txt "$requirements" | cmp -s - "$stamp"; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
    cat requirements.txt "$requirements" >"$stamp"
  fi
  # shellcheck disable=SC1091
  source "$venv/bin/activate"
}

# The environment as it is: $VENV (default .venv) when it was made, else what is active already.
present_environment() {
  local venv="${VENV:-$PWD/.venv}"
  if [ -x "$venv/bin/python" ]; then
    # shellcheck disable=SC1091
    source "$venv/bin/activate"
  fi
}

absolute() {
  local path="$1"
  case "$path" in "~" | "~/"*) path="$HOME${path#"~"}" ;; esac
  realpath -m -- "$path"
}

existing() {
  local path
  path="$(absolute "$2")"
  if [ ! -e "$path" ]; then
    echo "error: $1: expected something that exists, got $2" >&2
    exit 2
  fi
  echo "$path"
}

require_count() {
  case "$2" in
    "" | 0* | *[!0-9]* | ?????*)
      echo "error: $1: expected a whole number from 1 to 9999, got '$2'" >&2
      exit 2
      ;;
  esac
}
