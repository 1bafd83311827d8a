"""The score of a network on a validation split, as text or JSON."""

import json

from src.common.errors import InputError
from src.common.output import result
from src.common.text import printable
from src.data import create_dataset
from src.data.skipped import lines
from src.learn.evaluate import evaluate


def show_score(config, predict, workers, args, transform=None):
    """Evaluate the validation split and print the score.

    args: the command line of eval.py. transform: None for that of the settings.
    """
    data = create_dataset(config, "val", workers.rank, workers.size, transform)
    if len(data.classes) != config.model.num_classes:
        raise InputError(
            f"{config.data.path or config.data.source}: expected {config.model.num_classes} classes as the network "
            f"has, got {len(data.classes)} (data.classes=[..], the network's names of its classes, allows a part of them)"
        )
    classes = config.model.num_classes if args.per_class else 0
    score = evaluate(predict, data, config.data.eval_batch_size, workers, classes=classes)
    if not workers.first:
        return
    record = {
        "top1": score.top1,
        "top5": score.top5,
        "correct": score.correct,
        "total": score.total,
        "images_per_second": score.images_per_second,
    }
    names = [str(name) for name in data.classes]
    if args.per_class:
        counts = (dict(zip(("correct", "total"), each)) for each in score.per_class)
        record["per_class"] = dict(zip(names, counts))
    if args.json:
        result(json.dumps(record, allow_nan=False))
        return
    result(f"model        {printable(config.model.name)}")
    result(f"checkpoint   {printable(config.checkpoint.path)}")
    result(f"data         {config.data.source}, {score.total} images")
    result(f"images/s     {score.images_per_second:.0f}")
    if data.skipped:
        result(f"skipped      {len(data.skipped)} files that cannot be read")
    for line in lines(data.skipped):
        result(f"skipped      {printable(line)}")
    for name, (correct, total) in zip(names, score.per_class):
        share = f"{correct / total:.4f}" if total else "-"
        result(f"class        {printable(name)} {share} ({correct}/{total})")
    result(f"top5 = {score.top5:.4f} ({score.correct5}/{score.total})")
    result(f"top1 = {score.top1:.4f} ({score.correct}/{score.total})")
