"""A small stage on the embedded digits, for the tests of the loop."""

import mindspore as ms

from src.data import create_dataset
from src.learn.loop import Stage
from src.learn.parallel import Workers
from src.model import binary_layers, create_model
from src.settings.config import load_config

SETTINGS = (
    "seed=3", "data.batch_size=16", "data.eval_batch_size=100", "data.crop_padding=1", "data.mixup=0.5",
    "data.image_size=8", "train.steps_per_epoch=3", "stages.step2.epochs=3", "stages.step2.warmup_epochs=1",
    "stages.step2.learning_rate=0.03",
)  # fmt: skip


def small_network(seed, precision="binary", **overrides):
    ms.set_seed(seed)
    small = {
        "widths": (8,),
        "depths": (1,),
        "stem": (3, 2, 1),
        "drop_path_rate": 0.2,
        "branches": (0, 1, 0, 1),
    }
    return create_model("bimlp_t", 10, precision, **{**small, **overrides})


def small_stage(folder, *overrides, workers=None, teacher=None):
    """A stage "step2" that trains a narrow BiMLP for three epochs of three steps."""
    workers = workers or Workers()
    config = load_config(None, (*SETTINGS, *overrides))
    precision = config.stages.step2.precision
    # ranks start different on purpose
    layers = {"sync_bn": config.model.sync_bn, "quantizer": config.model.quantizer}
    network = small_network(config.seed + workers.rank, precision, **layers)
    data = {split: create_dataset(config, split, workers.rank, workers.size) for split in ("train", "val")}
    return Stage(
        name="step2", network=network, teacher=teacher, settings=config.stages.step2, train=config.train,
        binary_weights=[layer.weight for _, layer in binary_layers(network)], workers=workers,
        train_data=data["train"], val_data=data["val"], seed=config.seed, folder=folder,
        batch_size=config.data.batch_size, eval_batch_size=config.data.eval_batch_size,
        every_steps=config.checkpoint.every_steps,
    )  # fmt: skip
