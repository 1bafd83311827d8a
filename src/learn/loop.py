"""One stage of training: epochs of steps, evaluation, files, and going on after a stop."""

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor

from src.checkpoint import parameters_of, save_checkpoint
from src.errors import InputError
from src.files import append_json_line, read_json_lines, write_atomic

from .assign import make_assign
from .average import MovingAverage
from .compiled import Compiled
from .curves import draw_stage
from .evaluate import evaluate
from .flip import flip_ratio, signs
from .measures import Measures
from .optimizer import AdamW, can_fuse
from .parallel import Workers
from .progress import Display, say
from .schedule import scaled_learning_rate, warmup_cosine
from .state import Progress, load_state, save_state
from .step import Predict, make_forward, make_train_step, path_factors
from .stopping import Stopped, signals_noted
from .summary import Summary

STATE, LAST, BEST = "state.ckpt", "last.ckpt", "best.ckpt"
METRICS, CURVES = "metrics.jsonl", "curves.png"


@dataclass
class Stage:
    """What one stage trains and where it writes. `teacher` may be None; `binary_weights` are those whose
    flips are counted; `settings` is the stage's section of the config and `train` the train section; `identity` is
    that of its compiled graphs, which are kept for later processes, or None (see graph_cache.py)."""

    name: str
    network: Any
    teacher: Any
    binary_weights: list
    train_data: Any
    val_data: Any
    settings: Any
    train: Any
    batch_size: int
    eval_batch_size: int
    seed: int
    folder: Path
    workers: Workers
    identity: Any = None


def run_stage(stage, resume):
    """Train `stage` to its last epoch and return its summary: name, epochs, top1, top5, seconds, images_per_second.

    With `resume` it goes on where the run state in its folder stands, and ends as the uninterrupted run.
    Raises InputError for a damaged run state or a loss that is not finite; Stopped after SIGINT or SIGTERM.
    """
    trainer = _Trainer(stage)
    if resume and (stage.folder / STATE).exists():
        trainer.restore()
    try:
        with signals_noted() as stop:
            while trainer.progress.epoch < stage.settings.epochs:
                trainer.epoch(stop)
    finally:
        trainer.tensorboard.close()
    return trainer.summary()


class _Trainer:
    """The moving parts of one stage."""

    def __init__(self, stage):
        self.stage = stage
        settings, train, workers = stage.settings, stage.train, stage.workers
        self.steps = stage.train_data.batches
        if train.steps_per_epoch:
            self.steps = min(self.steps, train.steps_per_epoch)
        total_batch = stage.batch_size * workers.size
        self.rates = warmup_cosine(
            scaled_learning_rate(settings.learning_rate, train.base_batch_size, total_batch),
            train.min_learning_rate,
            settings.epochs * self.steps,
            settings.warmup_epochs * self.steps,
        )
        self.parameters = parameters_of(stage.network)
        workers.broadcast_(self.parameters.values())
        trainable = [p for p in self.parameters.values() if p.requires_grad]
        self.buffers = [p for p in self.parameters.values() if not p.requires_grad]
        self.put_buffers = make_assign(self.buffers)
        self.optimizer = AdamW(
            trainable,
            train.betas,
            train.eps,
            train.weight_decay,
            train.decay_all,
            train.clip_norm,
            can_fuse(),
        )
        self.average = None
        if train.ema_decay:
            self.average = MovingAverage(self.parameters.values(), train.ema_decay)
        alpha = settings.kd_alpha if stage.teacher is not None else 0.0
        forward = make_forward(stage.network, stage.teacher, alpha, train.label_smoothing)
        networks = [each for each in (stage.network, stage.teacher) if each is not None]
        step = make_train_step(networks, forward, self.optimizer, workers)
        self.step = Compiled(step, "the training step", self._say, stage.identity)
        self.predict = Compiled(Predict(stage.network), "the evaluation", self._say, stage.identity)
        self.measures = Measures(self.steps)
        self.tensorboard = Summary(stage.folder)
        self.path_rates = getattr(stage.network, "drop_path_rates", ())
        self.progress = Progress()
        # the signs at the start of the current epoch, one bit each and at least one byte
        self.signs = Parameter(Tensor(self._packed_signs()), name="run_signs", requires_grad=False)

    def _signs_before(self):
        count = sum(weight.size for weight in self.stage.binary_weights)
        return np.unpackbits(self.signs.asnumpy())[:count].astype(bool)

    def _packed_signs(self):
        return np.packbits(np.append(signs(self.stage.binary_weights), False))

    # --- files ---

    def _tensors(self):
        own = {p.name: p for p in (self.signs, self.measures.parameter)}
        tensors = {**self.parameters, **self.optimizer.state(), **own}
        if self.average is not None:
            tensors.update(self.average.state())
        return tensors

    def restore(self):
        """Go on from the run state; metrics of unfinished epochs are dropped."""
        stage = self.stage
        self.progress = load_state(stage.folder / STATE, self._tensors())
        self.measures.restore()
        if stage.workers.first:
            self._say(f"goes on after epoch {self.progress.epoch}, step {self.progress.step}")

    def _records(self):
        path = self.stage.folder / METRICS
        return read_json_lines(path)[: self.progress.epoch] if path.exists() else []

    def _write_metrics(self, record):
        """metrics.jsonl up to this epoch, and the curves."""
        path = self.stage.folder / METRICS
        records = self._records()
        if not path.exists() or len(read_json_lines(path)) == len(records):
            append_json_line(path, record)
        else:
            write_atomic(path, "")
            for each in (*records, record):
                append_json_line(path, each)
        draw_stage(self.stage.folder / CURVES, [*records, record], self.stage.name)

    def _say(self, text):
        if self.stage.workers.first:
            say(f"{self.stage.name}: {text}")

    # --- one epoch ---

    def epoch(self, stop):
        """The rest of the current epoch, evaluation and files."""
        stage, progress = self.stage, self.progress
        if progress.step == 0:
            self.signs.set_data(Tensor(self._packed_signs()))
        self._steps(stop)
        if stage.workers.size > 1:
            self.put_buffers(stage.workers.mean(self.buffers))
        score = self._evaluate()
        loss_sum, hits = stage.workers.sum([progress.loss_sum, progress.hits])
        images = self.steps * stage.batch_size * stage.workers.size
        record = {
            "epoch": progress.epoch + 1,
            "train_loss": loss_sum / (self.steps * stage.workers.size),
            "train_top1": hits / images,
            "top1": score.top1,
            "top5": score.top5,
            "flip_ratio": flip_ratio(self._signs_before(), signs(stage.binary_weights)),
            "learning_rate": self.rates[(progress.epoch + 1) * self.steps - 1],
            **self.measures.record(stage.batch_size * stage.workers.size),
        }
        self._finish_epoch(record)

    def _evaluate(self):
        self.stage.network.set_train(False)
        with self.average.in_place() if self.average is not None else nullcontext():
            return evaluate(self.predict, self.stage.val_data, self.stage.eval_batch_size, self.stage.workers)

    def _finish_epoch(self, record):
        """Move progress to the next epoch and write the files, the run state last."""
        stage, progress = self.stage, self.progress
        best = record["top1"] > progress.best_top1
        if stage.workers.first:
            stage.folder.mkdir(parents=True, exist_ok=True)
            self._write_metrics(record)
            if stage.train.summary:
                self.tensorboard.write(record)
        progress.total_seconds += record["seconds"]
        progress.epoch, progress.step = record["epoch"], 0
        progress.loss_sum = progress.hits = 0.0
        self.measures.clear()
        if best:
            progress.best_top1, progress.best_top5 = record["top1"], record["top5"]
            progress.best_epoch = record["epoch"]
        if stage.workers.first:
            if best:
                with self.average.in_place() if self.average is not None else nullcontext():
                    save_checkpoint(stage.folder / BEST, self.parameters)
            save_checkpoint(stage.folder / LAST, self.parameters)
            self._save_state()
        self._say(
            f"epoch {progress.epoch}/{stage.settings.epochs}  loss {record['train_loss']:.4f}  "
            f"train top-1 {record['train_top1']:.4f}  top-1 {record['top1']:.4f}  top-5 {record['top5']:.4f}  "
            f"flips {record['flip_ratio']:.4f}  {record['images_per_second']:.0f} images/s"
        )

    def _save_state(self):
        self.measures.save()
        save_state(self.stage.folder / STATE, self.progress, self._tensors())

    def _steps(self, stop):
        """The steps that the epoch still lacks."""
        stage, progress = self.stage, self.progress
        stage.network.set_train(True)
        if stage.teacher is not None:
            stage.teacher.set_train(False)
        display = Display(
            f"{stage.name} {progress.epoch + 1}/{stage.settings.epochs}", self.steps, progress.step,
            stage.batch_size * stage.workers.size, stage.train.log_every, stage.workers.first,
        )  # fmt: skip
        clock = time.perf_counter()
        try:
            for index, (images, labels) in enumerate(stage.train_data.epoch(progress.epoch)):
                came = time.perf_counter()
                if index == self.steps:
                    break
                if index < progress.step:
                    clock = came
                    continue
                compiles = not self.step.ready
                rate, norm = self._one_step(images, labels)
                if compiles:
                    display.leave_out(progress.step)
                done = progress.step * stage.batch_size
                display.update(progress.step, progress.loss_sum / progress.step, rate, progress.hits / done)
                end = time.perf_counter()
                self.measures.note(index, came - clock, end - came, compiles, norm)
                clock = end
                if stop:
                    self._stop(stop[0])
        finally:
            display.close()

    def _one_step(self, images, labels):
        """One step and its share of the epoch's sums; returns its learning rate and gradient norm."""
        stage, progress = self.stage, self.progress
        number = progress.epoch * self.steps + progress.step
        rate = self.rates[number]
        keep = path_factors(self.path_rates, len(images), stage.seed, number, stage.workers.rank)
        coefficients = self.optimizer.coefficients(rate, number + 1)
        loss, hits, norm = self.step(Tensor(images), Tensor(labels), keep, coefficients)
        loss, norm = float(loss.asnumpy()), float(norm.asnumpy().item())
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise InputError(
                f"stage {stage.name}, epoch {progress.epoch + 1}, step {progress.step + 1}: expected a finite loss and "
                f"gradient norm, came {loss} and {norm}; the checkpoints of the last finished epoch are kept "
                "(a lower learning rate or train.clip_norm may help)"
            )
        if self.average is not None:
            self.average.update()
        progress.step += 1
        progress.loss_sum += loss
        progress.hits += float(hits.asnumpy())
        return rate, norm

    def _stop(self, number):
        """End the run after a signal; a single worker saves its state first."""
        if self.stage.workers.size == 1:
            self.stage.folder.mkdir(parents=True, exist_ok=True)
            self._save_state()
        raise Stopped(number)

    def summary(self):
        """The stage in summary.json's words; top1 and top5 are best.ckpt's, images_per_second of training."""
        progress, stage = self.progress, self.stage
        images = progress.epoch * self.steps * stage.batch_size * stage.workers.size
        return {
            "name": stage.name,
            "epochs": progress.epoch,
            "top1": progress.best_top1,
            "top5": progress.best_top5,
            "best_epoch": progress.best_epoch,
            "seconds": progress.total_seconds,
            "images_per_second": images / progress.total_seconds if progress.total_seconds else 0.0,
        }
