"""The workers of data.py: a pipeline each, this project's or Pillow's, and a training loop that waits for its data."""

import os
import sys
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")  # the framework's warnings are for its developers
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from pillow_loader import FLIP, SCALE, PillowLoader
from worker import serve

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WARMUP = 20  # steps of training that are not counted: the first compiles


def ours(folder, split, size, batch_size, threads, memory):
    """The project's pipeline: an object with epoch(number). `memory`: data.memory, GiB."""
    from src.data import create_dataset
    from src.settings.config import load_config

    values = {
        "source": "imagenet", "path": folder, "image_size": size, "batch_size": batch_size, "mean": list(MEAN),
        "eval_batch_size": batch_size, "workers": threads, "std": list(STD), "crop_scale": list(SCALE),
        "crop_padding": 0, "flip": FLIP, "memory": memory,
    }  # fmt: skip
    return create_dataset(load_config(flags={f"data.{key}": value for key, value in values.items()}), split)


def pillow(folder, split, size, batch_size, threads):
    return PillowLoader(folder, split, size, batch_size, MEAN, STD, threads)


class Loading:
    """Each method is a request of the driver."""

    def prepare(self, side, folder, size, batch_size, threads):
        make = {"files": partial(ours, memory=0.0), "memory": partial(ours, memory=64.0), "pillow": pillow}[
            side
        ]
        self.data = {split: make(folder, split, size, batch_size, threads) for split in ("train", "val")}
        self.epochs = 0

    def block(self, work, steps):
        """Time one epoch, from the request of its first batch on; it has `steps` batches."""
        self.epochs += 1
        start = time.perf_counter()
        count = sum(1 for _ in self.data[work].epoch(self.epochs))
        seconds = time.perf_counter() - start
        if count != steps:
            raise ValueError(f"{work}: expected {steps} batches, got {count}")
        return {"seconds": seconds, "loss": 0.0}

    def verify(self, file):
        """Evaluation: all images and labels. Training: mean and standard deviation per channel of an epoch."""
        images, labels = map(np.concatenate, zip(*self.data["val"].epoch(0)))
        train = np.concatenate([batch for batch, _ in self.data["train"].epoch(0)])
        moments = [train.mean((0, 2, 3), np.float64), train.std((0, 2, 3), np.float64), train.shape]
        np.savez(file, images=images, labels=labels, mean=moments[0], std=moments[1], shape=moments[2])


class Training:
    """The training loop of train.py on one data set, without evaluation and files."""

    def wait(self, config_path, data_path, steps):
        """Seconds of `steps` steps and those of them that the loop waited for a batch."""
        import mindspore as ms
        from mindspore import Tensor

        from src.commands.build import build_network, start_device
        from src.data import create_dataset
        from src.learn.optimizer import AdamW, can_fuse
        from src.learn.parallel import Workers
        from src.learn.step import TrainStep, make_forward, path_factors
        from src.settings.config import load_config

        config = load_config(config_path, flags={"data.path": data_path})
        start_device(config)
        ms.set_seed(config.seed)
        data, train = create_dataset(config, "train"), config.train
        network = build_network(config, config.model.name, len(data.classes), "binary")
        network.set_train(True)
        optimizer = AdamW(
            network.trainable_params(), train.betas, train.eps, train.weight_decay, train.decay_all,
            train.clip_norm, can_fuse(),
        )  # fmt: skip
        forward = make_forward(network, None, 0.0, train.label_smoothing)
        step = TrainStep([network], forward, optimizer, Workers())
        batches = (batch for epoch in range(10**6) for batch in data.epoch(epoch))
        waited, start = 0.0, None
        for number in range(WARMUP + steps):
            if number == WARMUP:
                waited, start = 0.0, time.perf_counter()
            asked = time.perf_counter()
            images, labels = next(batches)
            waited += time.perf_counter() - asked
            drop_mask = path_factors(network.drop_path_rates, len(images), config.seed, number)
            batch = Tensor(images), Tensor(labels), drop_mask
            results = step([batch], optimizer.coefficients(1e-3, number + 1))
            [result.asnumpy() for result in results]
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "waited": waited, "images_per_second": steps * len(images) / seconds}


if __name__ == "__main__":
    serve({"loading": Loading, "training": Training}[sys.argv[1]]())
