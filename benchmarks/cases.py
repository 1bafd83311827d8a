"""The networks and inputs that are measured, and how they are trained."""

import argparse

import numpy as np

# A case is a network and its input; its ratio is reported as <case>_vs_<opponent>. ties: see agreement.py. options: of
# the MindSpore network.
PRECISIONS = {"": "binary", "_binary_act": "binary_act", "_fp32": "fp32"}  # suffix of the case -> precision
INPUTS = {
    "bimlp_t": {
        "model": "bimlp_t",
        "image_size": 32,
        "classes": 10,
        "batch_size": 64,
        "ties": 1,
        "steps": 10,
        "options": {"drop_path_rate": 0.0},
    },
    "bimlp_s": {
        "model": "bimlp_s",
        "image_size": 224,
        "classes": 1000,
        "batch_size": 8,
        "ties": 100,
        "steps": 2,
        "options": {"drop_path_rate": 0.0},
    },
    "birealnet20": {
        "model": "birealnet20",
        "image_size": 32,
        "classes": 10,
        "batch_size": 64,
        "ties": 10,
        "steps": 10,
        "options": {},
    },
    "react_resnet18": {
        "model": "react_resnet18",
        "image_size": 224,
        "classes": 1000,
        "batch_size": 8,
        "ties": 1,
        "steps": 2,
        "options": {},
    },
}
CASES = {
    name + suffix: {**given, "precision": precision, "backend": "auto"}
    for name, given in INPUTS.items()
    for suffix, precision in PRECISIONS.items()
}
TRAINING = {
    "learning_rate": 1.0e-3,
    "betas": (0.9, 0.999),
    "eps": 1.0e-3,  # large: the update of a gradient near 0 stays determined and can be compared; as quick as any
    "weight_decay": 0.05,
    "clip_norm": 1.0,  # below the gradient norm of new weights, so that clipping is verified too
}
BATCHES = 4  # different ones, taken in turn
SEED = 1


def write_batches(folder, case):
    """Random images and soft labels (two classes mixed, as by mixup) to folder/batches.npz.

    Images differ in brightness, contrast and patches, as pictures do: where all images of a batch have the same
    channel means, norms of pooled channels divide by nearly nothing and rounding decides the gradients.
    """
    generator = np.random.default_rng(SEED)
    shape = (BATCHES, case["batch_size"])
    images = generator.standard_normal((*shape, 3, case["image_size"], case["image_size"]), dtype=np.float32)
    patches = generator.standard_normal((*shape, 3, 4, 4), dtype=np.float32)
    images += np.kron(patches, np.ones((case["image_size"] // 4,) * 2, np.float32))
    images *= generator.uniform(0.3, 1.5, (*shape, 1, 1, 1)).astype(np.float32)
    images += generator.standard_normal((*shape, 3, 1, 1), dtype=np.float32)
    first, second = np.eye(case["classes"], dtype=np.float32)[
        generator.integers(case["classes"], size=(2, *shape))
    ]
    share = generator.random((*shape, 1), dtype=np.float32)
    np.savez(folder / "batches.npz", images=images, labels=share * first + (1 - share) * second)


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text}")
    return value
