"""The workers that are timed: `engine_sides.py NAME`, one process per runtime, with all its networks in it."""

import os
import sys
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")  # the framework's warnings are for its developers
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from engine_cases import BITS, CLASSES, SINGLE
from worker import serve, timed

FORCE = "BIMLP_INSTRUCTION_SET"
INSTRUCTION_SETS = ("amx", "avx512", "avx2", "scalar")
BACKENDS = {
    "plain": "its operations",
    "fused": "our operators",
}  # of the network in MindSpore -> what its rows are called
OWN = "its own"  # instruction set that a runtime chooses without saying


class Side:
    """A runtime whose contenders are functions images -> logits. Each public method is a request of the driver."""

    def __init__(self):
        self.runs, self.labels, self.references = {}, {}, {}

    def load(self, folder, networks, batches, threads):
        """Load all contenders; networks: the suite's, the binary one first. Returns their labels and the version."""
        self.folder, self.threads = Path(folder), threads
        self.images = np.load(self.folder / "batches.npz")["images"][0]
        facts = self.open(networks, batches)
        return {"contenders": self.labels, **facts}

    def add(self, run, network, batch, instruction_set, precision):
        """Note a contender."""
        name = f"{network}, {instruction_set}, {precision}, batch {batch}"
        self.runs[name] = run
        self.labels[name] = {
            "network": network, "instruction_set": instruction_set, "precision": precision,
            "threads": self.threads, "batch": batch,
        }  # fmt: skip

    def verify(self, work):
        """The largest difference from the reference's logits, in their standard deviation, and the images whose most likely
        class is another."""
        label = self.labels[work]
        expected = np.load(self.folder / f"{label['network']}.npy")
        parts = np.split(self.images, len(self.images) // label["batch"])
        found = np.concatenate([np.array(self.runs[work](np.ascontiguousarray(part))) for part in parts])
        return {
            "difference": float(np.abs(found - expected).max() / expected.std()),
            "other_classes": int((found.argmax(1) != expected.argmax(1)).sum()),
        }

    def block(self, work, steps):
        """Time so many batches."""
        images = np.ascontiguousarray(self.images[: self.labels[work]["batch"]])

        def one_step():
            return float(self.runs[work](images).sum()), None

        return timed(one_step, steps)


class EngineSide(Side):
    """The packed file, with every instruction set that the processor has."""

    def open(self, networks, batches):
        from src.common.errors import InputError
        from src.engine import Engine

        path, self.engines, missing = self.folder / f"{networks[0]}.packed", {}, []
        os.environ.pop(FORCE, None)
        with Engine.load(path, self.threads) as engine:
            chosen = engine.description["instruction_set"]
        for name in INSTRUCTION_SETS:
            os.environ[FORCE] = name
            try:
                engine = Engine.load(path, self.threads)
            except InputError as error:
                if "has no" not in str(error):
                    raise
                missing.append(name)
                continue
            if engine.description["instruction_set"] != name:
                raise ValueError(f"expected {name}, the engine runs {engine.description['instruction_set']}")
            self.engines[name] = engine
            for batch in batches:
                self.add(engine.logits, networks[0], batch, name, BITS)
        return {"version": "this engine", "chosen": chosen, "missing": missing}

    def shares(self, instruction_set):
        """Seconds per kind of layer on one image."""
        return self.engines[instruction_set].profile(self.images[:1])


class PackedSide(Side):
    """The packed files of all networks, with the engine's own choice of instruction set."""

    def open(self, networks, batches):
        from src.engine import Engine

        for network in networks:
            engine = Engine.load(self.folder / f"{network}.packed", self.threads)
            chosen = engine.description["instruction_set"]
            for batch in batches:  # numbers that are not bits are of single precision in every network
                self.add(engine.logits, network, batch, chosen, SINGLE)
        return {"version": f"this engine, {chosen}"}


class MindSporeSide(Side):
    """The framework's compiled graph of the binary network: of its own operations, and with this project's operators."""

    def open(self, networks, batches):
        import mindspore as ms
        from mindspore import Tensor

        from src.commands.build import load_checkpoint
        from src.learn.step import Predict
        from src.model import create_model

        ms.set_device("CPU")
        ms.set_context(mode=ms.GRAPH_MODE)
        ms.runtime.dispatch_threads_num(self.threads)
        for backend, label in BACKENDS.items():
            network = create_model(networks[0], CLASSES, "binary", backend=backend).set_train(False)
            load_checkpoint(network, self.folder / f"{networks[0]}.ckpt")
            predict = Predict(network)
            for batch in batches:
                run = lambda images, predict=predict: predict(Tensor(images)).asnumpy()  # noqa: E731
                self.add(run, networks[0], batch, label, BITS)
        return {"version": f"MindSpore {ms.__version__}"}


class OnnxRuntimeSide(Side):
    """The ONNX files of all networks."""

    def open(self, networks, batches):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "0"
        )  # it would disturb the next one
        options.log_severity_level = 3  # errors
        for network in networks:
            for batch in batches:
                path = self.folder / f"{network}_{batch}.onnx"
                session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
                run = session.run
                self.add(
                    lambda images, run=run: run(None, {"images": images})[0], network, batch, OWN, SINGLE
                )
        return {"version": f"ONNX Runtime {onnxruntime.__version__}"}


class OpenVinoSide(Side):
    """The ONNX files of all networks in fp32, and the float ones in the precision that OpenVINO would choose."""

    def open(self, networks, batches):
        import openvino

        core = openvino.Core()
        settings = {
            "INFERENCE_NUM_THREADS": self.threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        }  # fmt: skip
        for network in networks:
            for batch in batches:
                model = core.read_model(str(self.folder / f"{network}_{batch}.onnx"))
                for hint in ({"INFERENCE_PRECISION_HINT": "f32"}, {}):
                    compiled = core.compile_model(model, "CPU", {**settings, **hint})
                    precision = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
                    if hint and precision != SINGLE:
                        raise ValueError(f"expected OpenVINO to compute in f32, it says {precision}")
                    if hint or (precision != SINGLE and network != networks[0]):
                        self.add(runner(compiled), network, batch, OWN, precision)
        return {"version": f"OpenVINO {openvino.__version__}"}


def runner(compiled):
    """images -> logits of a compiled OpenVINO model."""
    request = compiled.create_infer_request()

    def run(images):
        return request.infer([images], share_inputs=True, share_outputs=True)[0]

    return run


class MachineSide(Side):
    """The processor's limits as contenders; a step of theirs is so many multiply-accumulates."""

    def open(self, networks, batches):
        from peaks import peaks

        self.peaks = peaks()
        self.labels = {kind: {"by": peak["by"], "macs": peak["macs"]} for kind, peak in self.peaks.items()}
        return {}

    def block(self, work, steps):
        def one_step():
            self.peaks[work]["run"]()
            return 0.0, None

        return timed(one_step, steps)


SIDES = {
    "engine": EngineSide,
    "packed": PackedSide,
    "mindspore": MindSporeSide,
    "onnxruntime": OnnxRuntimeSide,
    "openvino": OpenVinoSide,
    "machine": MachineSide,
}

if __name__ == "__main__":
    serve(SIDES[sys.argv[1]]())
