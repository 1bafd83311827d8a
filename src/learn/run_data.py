"""The data and the step size of a run, as its state remembers them: a run that goes on must find the same data."""

from src.common.errors import InputError


def facts_of(train_data, val_data, images_per_step):
    """Facts by name: images and checksum of both splits, and images per step of all workers together."""
    splits = {"train": train_data, "val": val_data}
    counts = {f"{name}_images": split.contents.images for name, split in splits.items()}
    checksums = {f"{name}_checksum": split.contents.checksum for name, split in splits.items()}
    return {**counts, **checksums, "images_per_step": images_per_step}


def require_same_data(folder, stage, before, now):
    """Refuse to go on with other data than those of the run: its schedule and its best top-1 would not hold for them.

    Args:
        folder, stage: the stage's folder and name, for the message.
        before, now: facts as of `facts_of`.

    Raises:
        InputError: names the split that changed, and says how to train on the new data.
    """
    for split in ("train", "val"):
        images, checksum = f"{split}_images", f"{split}_checksum"
        if before[checksum] == now[checksum]:
            continue
        same = before[images] == now[images]
        got = f"got {'other ones' if same else now[images]}"
        raise InputError(
            f"{folder}: resume expects the data of the run, {before[images]} {split} images, {got}; for a run on these "
            f"data start from its weights: {from_weights(folder, stage)}"
        )


def from_weights(folder, stage):
    """The settings that begin a new run with the weights of this one."""
    return f"stage={stage} stages.{stage}.init={folder / 'last.ckpt'} with another --output_dir"


def remark_on_step(before, now):
    """One sentence where the run goes on with another number of images per step, and so other learning rates; else ""."""
    were, are = before["images_per_step"], now["images_per_step"]
    if were == are:
        return ""
    return f"{are} images per step instead of {were}: steps per epoch and learning rates follow from that"
