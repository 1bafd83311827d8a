"""The engine's benchmark runs through: what it refuses, and what its last line holds."""

import json
import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "benchmarks"
EXPECTED = {
    "bimlp_t_ms", "ort_bimlp_t_ms", "ort_wave_mlp_nano_ms", "resnet18_ms", "mindspore_ms", "mindspore_fused_ms",
    "bound_ms", "scalar_ms",
}  # fmt: skip


def run(*arguments):
    command = [sys.executable, str(FOLDER / "engine.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


@pytest.mark.thorough
def test_a_quick_run_ends_with_one_object_of_positive_numbers():
    done = run("--quick", "--rounds", "1", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    result = lines[-1]
    times = {key: value for key, value in result.items() if key.endswith("_ms")}
    assert set(times) >= EXPECTED and all(value > 0 for value in times.values())
    assert times[f"{result['chosen']}_ms"] == times["bimlp_t_ms"]
    assert all(peak["gmacs"]["median"] > 0 and peak["by"] for peak in result["peaks"].values())
    assert {"popcount", "fma"} <= set(result["peaks"]) and result["machine"]["processor"] and result["date"]
    timed = {(row["runtime"], row["instruction_set"]) for row in result["rows"]}
    assert len([name for name, _ in timed if name == "engine"]) + len(result["missing"]) == 3
    verified = {(line["verified"], line["instruction_set"]) for line in lines if "verified" in line}
    assert verified == timed
    for row in result["rows"]:
        assert row["threads"] == row["batch"] == 1 and row["ms"]["median"] > 0
        assert row["ms"]["lower"] <= row["ms"]["median"] <= row["ms"]["upper"]
    assert "times the bound" in done.stderr


def test_unknown_runtimes_are_refused():
    done = run("--only", "engine,torch")
    assert done.returncode == 2 and "got torch" in done.stderr and not done.stdout
