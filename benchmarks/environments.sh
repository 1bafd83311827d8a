# Sourced by the other scripts here; sets `root` and `python`, the project's environment (PYTHON, default .venv/bin/python, else
# python3).
#   foreign NAME   prints the python of .venv-NAME, an environment of requirements-NAME.txt, made on first use
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
if [[ -z ${PYTHON:-} && ! -x $python ]]; then
    python=python3
fi

foreign() {
    local wanted=$root/benchmarks/requirements-$1.txt folder=$root/.venv-$1
    local installed=$folder/requirements-$1.txt # written last: a broken installation is made anew
    if ! cmp -s "$wanted" "$installed"; then
        "$python" -m venv --clear "$folder"
        "$folder/bin/python" -m pip install --quiet -r "$wanted" >&2
        cp "$wanted" "$installed"
    fi
    echo "$folder/bin/python"
}
