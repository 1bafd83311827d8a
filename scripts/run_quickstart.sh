#!/usr/bin/env bash
# The whole way on embedded data: environment, teacher, step 1, step 2, evaluation, a prediction, a MINDIR, and the same
# network with one bit per weight in the engine.
#   usage:  bash scripts/run_quickstart.sh [section.key=value ...]
#   expect: exit 0 and a last line with the 1-bit top-1 (0.9694 on 2026-11-21) after about 4 minutes on 2 CPU cores
#           with a C++ compiler, the download of 1 GB of packages on first use not counted. Results: output/quickstart.
# Run again, it goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
source scripts/compiler.sh
environment requirements.txt
out=output/quickstart
best="$out/step2/best"
python train.py --output_dir "$out" resume=true "$@"
python eval.py --checkpoint "$best.ckpt"
python scripts/digit_picture.py "$out/seven.png"
python eval.py --checkpoint "$best.ckpt" --image "$out/seven.png"
python export.py --checkpoint "$best.ckpt" --file_format MINDIR --output "$out/bimlp_t.mindir"
python export.py --checkpoint "$best.ckpt" --file_format PACKED
evaluated="$best.ckpt"
if (find_compiler) 2>/dev/null; then
  python scripts/compare_packed.py "$best.ckpt" "$best.packed"
  evaluated="$best.packed"
else
  echo "no C++ compiler (${CXX:-c++}): the packed file is not run here, for the engine would have to be compiled"
fi
echo "1-bit network: $(python eval.py --checkpoint "$evaluated" | tail -n 1)"
