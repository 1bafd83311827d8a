"""The engine's benchmarks run through: what they refuse, and what their last line holds."""

import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from src.model import default_precision, image_size_of, model_names
from src.model.layers.quantizers import QUANTIZERS
from tests.engine.left_out import OF_TIME

pytestmark = OF_TIME
FOLDER = pathlib.Path(__file__).resolve().parents[2] / "benchmarks"
EXPECTED = {
    "bimlp_t_ms", "ort_bimlp_t_ms", "ort_wave_mlp_nano_ms", "resnet18_ms", "mindspore_ms", "mindspore_fused_ms",
    "bound_ms", "scalar_ms",
}  # fmt: skip


def load(name):
    """A module of benchmarks/."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(FOLDER))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


@pytest.fixture(scope="module")
def tables():
    """benchmarks/engine_table.py as a module."""
    return load("engine_table")


def run(*arguments, script="engine.py"):
    command = [sys.executable, str(FOLDER / script), *arguments]
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
    sets = load("engine_sides").INSTRUCTION_SETS
    assert len([name for name, _ in timed if name == "engine"]) + len(result["missing"]) == len(sets)
    verified = {(line["verified"], line["instruction_set"]) for line in lines if "verified" in line}
    assert verified == timed
    for row in result["rows"]:
        assert row["threads"] == row["batch"] == 1 and row["ms"]["median"] > 0
        assert row["ms"]["lower"] <= row["ms"]["median"] <= row["ms"]["upper"]
    assert "times the bound" in done.stderr


def test_unknown_runtimes_are_refused():
    done = run("--only", "engine,torch")
    assert done.returncode == 2 and "got torch" in done.stderr and not done.stdout


# --- tables ---


QUICK_ROWS = {
    "switches": [("wave_mlp_nano", {}), ("bimlp_t", {"quantizer": "dorefa"})],
    "networks": [("birealnet20", {}), ("quicknet_nano", {})],
}


@pytest.mark.thorough
@pytest.mark.parametrize("suite", QUICK_ROWS)
def test_a_quick_run_of_a_table_ends_with_a_row_per_network(suite):
    done = run(suite, "--quick", "--rounds", "1", "--json", script="engine_table.py")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    verified = [(line["network"], line["verified"]) for line in lines if "verified" in line]
    assert len(verified) == len(set(verified)) == 4
    result = lines[-1]
    assert [(row["network"], row["switches"]) for row in result["rows"]] == QUICK_ROWS[suite]
    for row in result["rows"]:
        engine, other = row["engine_ms"], row["onnxruntime_ms"]
        assert 0 < engine["lower"] <= engine["median"] <= engine["upper"]
        assert row["packed_bytes"] > 0 and row["ops"] > 0
        assert row["ratio"] == pytest.approx(other["median"] / engine["median"], 1e-3)
    assert result["threads"] == 1 and result["image_size"] == 32 and result["machine"]["processor"]
    assert result["references"] == {}
    assert sum(line.startswith("| ") for line in done.stderr.splitlines()) == 4


def test_the_rows_have_every_quantizer_once(tables):
    options = tables.parse(["switches"])
    rows = tables.networks(options, list(QUANTIZERS))
    given = [overrides.get("quantizer") for network, overrides in rows.values() if network == "bimlp_s"]
    assert sorted(given, key=str) == sorted([None] * 3 + list(QUANTIZERS)[1:], key=str)
    assert next(iter(QUANTIZERS)) == "bimlp"  # the default, which has a row without switches
    assert {network for network, _ in rows.values()} == {"wave_mlp_t", "bimlp_s", "released_bimlp_s"}
    assert tables.references(options) == ()


def test_the_rows_have_every_binary_network_of_224_pixels_once(tables, monkeypatch):
    monkeypatch.setattr(tables, "importable", lambda interpreter, package: True)
    options = tables.parse(["networks"])
    others = {"resnet18", "mobilenet_v2_100"}
    assert set(tables.references(options)) == others
    rows = [network for network, _ in tables.networks(options, ()).values()]
    binary = {
        name for name in model_names() if image_size_of(name) == 224 and default_precision(name) == "binary"
    }
    assert sorted(rows) == sorted(binary - {"released_bimlp_s", "released_bimlp_m"})


def test_only_chooses_rows_and_references(tables, monkeypatch, capsys):
    monkeypatch.setattr(tables, "importable", lambda interpreter, package: package != "openvino")
    options = tables.parse(
        ["networks", "--only", "quicknet", "xnornet18"]
    )  # no reference: no OpenVINO needed
    assert list(tables.networks(options, ())) == ["xnornet18", "quicknet"]
    assert tables.references(options) == ()
    for arguments, message in (
        (["--only", "resnet18"], "has no openvino"),
        (["--only", "quicknets"], "expected some of birealnet18, .*, got quicknets"),
        (["--quick", "--only", "resnet18"], "expected some of birealnet20, quicknet_nano, got resnet18"),
    ):
        with pytest.raises(SystemExit):
            tables.parse(["networks", *arguments])
        assert re.search(message, capsys.readouterr().err)


def test_a_clear_point_is_in_the_widest_gap_near_the_median():
    rows = np.arange(100.0).reshape(1, 100).repeat(2, 0)
    rows[0, 50:] += 7
    rows[1, 90:] += 7  # too far from the median
    rows[1, 45:] += 1
    cases = load("engine_cases")
    np.testing.assert_allclose(cases.clear_point(rows[:, ::-1]), [53, 45])


def test_a_clear_point_of_equal_numbers_lies_below_them():
    rows = np.array([[3.0, 3.0], [1.0, 5.0]])
    points = load("engine_cases").clear_point(rows)
    assert points[0] < 3 - 0.5
    assert points[1] == 3


def test_a_packed_file_of_other_bytes_than_counted_is_refused(tables):
    tables.compare_bytes("n", {"packed_bytes": 5, "counted_bytes": 5})
    with pytest.raises(tables.Disagreement, match="n: expected a packed file of 6 bytes, as counted, got 5"):
        tables.compare_bytes("n", {"packed_bytes": 5, "counted_bytes": 6})


@pytest.mark.parametrize(
    "difference,other_classes,binary", [(0.021, 0, ("n",)), (0.002, 0, ()), (0.0, 1, ("n",))]
)
def test_a_contender_of_another_network_is_refused(tables, difference, other_classes, binary):
    class Other:
        def ask(self, what, work):
            return {"difference": difference, "other_classes": other_classes}

    label = {"network": "n", "precision": "f32"}
    with pytest.raises(tables.Disagreement, match="side, work: expected the reference's logits"):
        tables.verify({"side": Other()}, {("side", "work"): label}, binary)
    difference, other_classes = 0.0009, 0
    tables.verify({"side": Other()}, {("side", "work"): label}, binary)


def test_the_table_has_the_ratio_of_the_medians(tables):
    ms = {"packed": (2.0, 1.5, 3.0), "onnxruntime": (10.0, 9.0, 12.25)}
    rows = [
        {"network": "n", "runtime": side, "quiet": side == "packed", "ms": dict(zip(("median", "lower", "upper"), each))}
        for side, each in ms.items()
    ]  # fmt: skip
    files = {
        "n": {"network": "bimlp_t", "switches": {"norm": "layer"}, "ops": 1.234e8, "packed_bytes": 12345}
    }
    for side, median in (("onnxruntime", 24.0), ("openvino", 23.0)):
        ms = {"median": median, "lower": 22.0, "upper": 25.0}
        rows.append({"network": "r", "runtime": side, "quiet": True, "ms": ms})
    options = tables.parse(["networks", "--quick", "--threads", "1"])
    found = {"files": files, "references": {"r": {}}, "rows": rows, "versions": ["this engine"]}
    text = tables.table(tables.summary(found, options))
    cells = [cell.strip() for cell in text.splitlines()[4].strip("|").split("|")]
    assert cells == ["`bimlp_t`, `norm=layer`", "1.234", "12,345", "2 [1.5, 3]", "10 [9, 12.2]", "5.00"]
    assert "`r` in fp32, the better of two runtimes, openvino: 23 [22, 25] ms." in text
    assert text.endswith("The machine was busy: `bimlp_t`, `norm=layer`.")


def test_more_threads_than_cores_are_refused(tables, capsys):
    with pytest.raises(SystemExit):
        tables.parse(["networks", "--only", "quicknet", "--threads", "1000"])
    assert "number of cores, got 1000" in capsys.readouterr().err


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["neon", "neon_dot"])
def test_the_inner_loops_of_arm_keep_their_sums_in_registers(name, monkeypatch):
    """48 instructions count, 8 load bits and repeat them; a loop that stores sums has more than twice as many."""
    if shutil.which("aarch64-linux-gnu-g++") is None:
        pytest.skip("no aarch64-linux-gnu-g++")
    monkeypatch.delenv("CXX", raising=False)
    arm = load("arm_loops")
    loops = arm.loops_of(arm.assembly_of(name))
    assert loops and len(loops[0]) > 48 and len(loops[-1]) < 75
