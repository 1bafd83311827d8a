"""The worker of this project's network: built, exported, verified and timed with the training step of src/learn."""

import os
import sys
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")  # the framework's warnings are for its developers
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import mindspore as ms
import numpy as np
from mindspore import Tensor
from worker import serve, timed

from src.learn.optimizer import AdamW, can_fuse
from src.learn.parallel import Workers
from src.learn.step import Predict, TrainStep, make_forward
from src.model import create_model

# Weights where a sign or a window could be wrong unseen: sign(0) and sign(-0.0) are -1, the window holds its ends.
EDGES = np.float32([0.0, -0.0, 1.0, -1.0, 1.5])


class MindSporeSide:
    """Each method is a request of the driver, train.py."""

    def prepare(self, folder, case, training, seed):
        """Build the network and its training step; write its weights to folder/weights.npz."""
        self.folder, self.training = Path(folder), training
        ms.set_device("CPU")
        ms.set_context(mode=ms.GRAPH_MODE)
        ms.set_deterministic(True)  # as train.py has it
        ms.set_seed(seed)
        self.network = create_model(
            case["model"], case["classes"], case["precision"], backend=case["backend"], **case["options"]
        )
        self.network.set_train(True)
        shake(self.network, np.random.default_rng(seed))
        self.parameters = {p.name: p for p in self.network.get_parameters()}
        trainable = {name: p for name, p in self.parameters.items() if p.requires_grad}
        np.savez(self.folder / "weights.npz", **{name: p.asnumpy() for name, p in self.parameters.items()})
        self.optimizer = AdamW(
            list(trainable.values()), training["betas"], training["eps"], training["weight_decay"], False,
            training["clip_norm"], can_fuse() and case["backend"] in ("auto", "fused"),
        )  # fmt: skip
        self.moments = dict(zip(trainable, self.optimizer.moments1))
        forward = make_forward(self.network, None, 0.0, 0.0)
        self.train_step = TrainStep([self.network], forward, self.optimizer, Workers())
        self.predict = Predict(self.network)  # in training mode, as the network is
        batches = np.load(self.folder / "batches.npz")
        self.images, self.labels = batches["images"], batches["labels"]
        self.steps = 0
        return {"version": f"MindSpore {ms.__version__}", "parameters": len(trainable)}

    def load(self):
        """Take the weights of folder/weights.npz."""
        for name, array in np.load(self.folder / "weights.npz").items():
            self.parameters[name].set_data(Tensor(array))

    def verify(self):
        """Training-mode logits and one whole training step, of what is timed later, to folder/mindspore.npz."""
        before = {name: self.parameters[name].asnumpy().copy() for name in self.moments}
        # the forward pass moves the running statistics only, which training does not read
        found = {"logits": self.predict(Tensor(self.images[0])).asnumpy()}
        found["loss"], found["gradient norm"] = self.one_step()
        for name, moment in self.moments.items():
            # after the first step AdamW's moment is (1 - beta1) times the clipped gradient
            found[f"gradient of {name}"] = moment.asnumpy() / (1 - self.training["betas"][0])
            found[f"update of {name}"] = self.parameters[name].asnumpy() - before[name]
        np.savez(self.folder / "mindspore.npz", **found)

    def one_forward(self):
        """The forward pass alone on the next batch; returns the sum of the logits."""
        index = self.steps % len(self.images)
        self.steps += 1
        return float(self.predict(Tensor(self.images[index])).asnumpy().sum()), None

    def one_step(self):
        """The next step on the next batch; all results are read, as src/learn/loop.py does."""
        index = self.steps % len(self.images)
        self.steps += 1
        coefficients = self.optimizer.coefficients(self.training["learning_rate"], self.steps)
        images, labels = Tensor(self.images[index]), Tensor(self.labels[index])
        figures, norm = self.train_step([(images, labels, None)], coefficients)
        return figures.asnumpy().tolist()[0], norm.asnumpy().item()

    def block(self, work, steps):
        """Time so many steps of a kind of work."""
        return timed({"step": self.one_step, "forward": self.one_forward}[work], steps)


def shake(network, generator):
    """Move every bias, shift, slope and merge scalar off its initial value, and plant EDGES in every filter bank."""
    for p in network.trainable_params():
        value = p.asnumpy().copy()
        if value.ndim == 1:
            value += 0.1 * generator.standard_normal(p.shape).astype(np.float32)
        else:
            value.reshape(-1)[: len(EDGES)] = EDGES
        p.set_data(Tensor(value))


if __name__ == "__main__":
    serve(MindSporeSide())
