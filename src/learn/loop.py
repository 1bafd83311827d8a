"""One stage of training: epochs of steps, evaluation, files, and going on after a stop."""

import itertools
import math
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindspore import Tensor

from src.common.errors import InputError

from .decoration import Decoration
from .evaluate import evaluate
from .flip import FlipRatio
from .forward import ForwardPass
from .loss_scale import LossScale
from .parallel import Workers
from .progress import ProgressBar, log
from .records import curves_are_old, write_record
from .run_data import facts_of, remark_on_step, require_same_data
from .schedule import learning_rates, scaled_learning_rate
from .skips import Skips
from .state import Progress, holds_run, load_state, save_state
from .step import TrainStep, make_forward, path_factors
from .step_timer import StepTimer
from .stopping import Stopped, signals_noted
from .train_state import TrainState

LAST, BEST = "last.ckpt", "best.ckpt"


@dataclass
class Stage:
    """Inputs of one stage: networks, data, settings and folder.

    Args:
        teacher: may be None.
        binary_weights: the weights whose flips are counted.
        settings, train: the stage's section of the config, and the section `train`.
        every_steps: steps between run states besides those after each epoch; 0: none.
        identity: of the compiled graphs, which are kept for later processes, or None (see graph_cache.py).
    """

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
    every_steps: int = 0
    identity: Any = None


def run_stage(stage, resume):
    """Train `stage` to its last epoch and return its summary: name, epochs, top1, top5, seconds, images_per_second.

    With `resume` it goes on where the newest whole run state in its folder stands, and ends as the uninterrupted run.
    Raises InputError for damaged run states, a loss that is not finite, a stage in which every step was skipped, or a
    file that cannot be written; Stopped after SIGINT, SIGTERM or SIGHUP.
    """
    trainer = _Trainer(stage)
    if resume and stage.workers.agree(stage.workers.first and holds_run(stage.folder)):
        trainer.restore()
    try:
        with signals_noted() as stop:
            while trainer.progress.epoch < stage.settings.epochs:
                trainer.epoch(stop)
        trainer.require_updates()
    finally:
        trainer.decoration.close()
    return trainer.summary()


class _Trainer:
    """The moving parts of one stage."""

    def __init__(self, stage):
        self.stage = stage
        settings, train, workers = stage.settings, stage.train, stage.workers
        self.steps = stage.train_data.batches // train.accumulate_steps
        if not self.steps:
            raise InputError(
                f"train.accumulate_steps: expected at most {stage.train_data.batches}, the batches of an epoch, "
                f"got {train.accumulate_steps}"
            )
        if train.steps_per_epoch:
            self.steps = min(self.steps, train.steps_per_epoch)
        self.images_per_step = stage.batch_size * workers.size * train.accumulate_steps
        self.rates = learning_rates(
            train.schedule,
            scaled_learning_rate(settings.learning_rate, train.base_batch_size, self.images_per_step),
            train.min_learning_rate,
            settings.epochs * self.steps,
            settings.warmup_epochs * self.steps,
            [epoch * self.steps for epoch in train.decay_epochs],
        )
        self.train_state = TrainState(stage.network, train, workers)
        self.scale = LossScale(train)
        self.skips = Skips(stage.name, train.on_nonfinite == "skip", self.scale, self._log)
        alpha = settings.kd_alpha if stage.teacher is not None else 0.0
        feature = settings.feature_loss, settings.feature_weight
        forward = make_forward(stage.network, stage.teacher, alpha, train.label_smoothing, *feature)
        networks = [each for each in (stage.network, stage.teacher) if each is not None]
        self.step = TrainStep(
            networks,
            forward,
            self.train_state.optimizer,
            workers,
            train.accumulate_steps,
            self._log,
            stage.identity,
            self.scale.on,
        )
        self.predict = ForwardPass(stage.network, "the evaluation", self._log, stage.identity)
        self.timer = StepTimer(self.steps)
        self.decoration = Decoration(stage.folder, stage.name, train.summary, self._log)
        self.path_rates = getattr(stage.network, "drop_path_rates", ())
        self.facts = facts_of(stage.train_data, stage.val_data, self.images_per_step)
        self.progress = Progress(loss_scale=self.scale.start, **self.facts)
        self.flip_ratio = FlipRatio(stage.binary_weights)

    def _tensors(self):
        counters = {p.name: p for p in (self.flip_ratio.parameter, self.timer.parameter)}
        return {**self.train_state.tensors(), **counters}

    def restore(self):
        """Go on from the newest whole run state."""
        stage = self.stage
        self.progress, faults = load_state(stage.folder, self._tensors(), stage.workers)
        before = {name: getattr(self.progress, name) for name in self.facts}
        require_same_data(stage.folder, stage.name, before, self.facts)
        for name, value in self.facts.items():
            setattr(self.progress, name, value)
        self.timer.restore()
        if remark := remark_on_step(before, self.facts):
            self._log(remark)
        for fault in faults:
            self._log(f"{fault}; the run state before it is taken")
        self._log(f"goes on after epoch {self.progress.epoch}, step {self.progress.step}")
        if stage.workers.first and curves_are_old(stage.folder):
            self.decoration.draw()

    def _log(self, text):
        if self.stage.workers.first:
            log(f"{self.stage.name}: {text}")

    def epoch(self, stop):
        """The rest of the current epoch, evaluation and files."""
        progress = self.progress
        if progress.step == 0:
            self.flip_ratio.begin()
            self.train_state.epoch_state.begin(progress.epoch, self.stage.settings.epochs)
        if progress.step < self.steps:
            self._steps(stop)
        buffers = self.train_state.buffers_now()
        self.train_state.equalize_buffers()
        score = self._evaluate(stop)
        if score is None:
            self.train_state.put_buffers(buffers)
            self._end(stop)
        loss, top1 = self._means()
        record = {
            "epoch": progress.epoch + 1,
            "train_loss": loss,
            "train_top1": top1,
            "top1": score.top1,
            "top5": score.top5,
            "flip_ratio": self.flip_ratio.ratio(),
            "learning_rate": self.rates[(progress.epoch + 1) * self.steps - 1],
            "skipped_steps": progress.skipped,
            **({"loss_scale": progress.loss_scale} if self.scale.on else {}),
            **self.timer.record(self.images_per_step),
        }
        self._finish_epoch(record)

    def require_updates(self):
        """Refuse a finished stage that has its first weights still."""
        if not self.progress.updates:
            raise InputError(
                f"stage {self.stage.name}: expected steps with a finite loss and gradient norm, got none: all "
                f"{self.progress.epoch * self.steps} were skipped, nothing is learnt and there is no {BEST}"
            )

    def _means(self):
        """Loss and top-1 of the epoch so far, over its steps but the skipped ones; NaN where there are no others."""
        steps = self.progress.step - self.progress.skipped or math.nan
        return self.progress.loss_sum / steps, self.progress.hits / (steps * self.images_per_step)

    def _evaluate(self, stop):
        """The Score, or None after a signal."""
        stage = self.stage
        stage.network.set_train(False)
        with self.train_state.averaged():
            return evaluate(self.predict, stage.val_data, stage.eval_batch_size, stage.workers, stop)

    def _finish_epoch(self, record):
        """Move progress to the next epoch and write the files: the run state, then the decorations."""
        stage, progress = self.stage, self.progress
        self._require_finite()
        best = progress.updates > 0 and record["top1"] > progress.best_top1
        if stage.workers.first:
            written = write_record(stage.folder, record)
        progress.total_seconds += record["seconds"]
        progress.epoch, progress.step, progress.skipped = record["epoch"], 0, 0
        progress.loss_sum = progress.hits = 0.0
        self.timer.clear()
        if best:
            progress.best_top1, progress.best_top5 = record["top1"], record["top5"]
            progress.best_epoch = record["epoch"]
        if stage.workers.first:
            if best:
                self.train_state.save(stage.folder / BEST, averaged=True)
            self.train_state.save(stage.folder / LAST)
        self._save_state()
        if stage.workers.first:
            self.decoration.write(written)
        self._log(
            f"epoch {progress.epoch}/{stage.settings.epochs}  loss {record['train_loss']:.4f}  "
            f"train top-1 {record['train_top1']:.4f}  top-1 {record['top1']:.4f}  top-5 {record['top5']:.4f}  "
            f"flips {record['flip_ratio']:.4f}  {record['images_per_second']:.0f} images/s"
        )

    def _save_state(self):
        """The run state, by the first worker; in the middle of an epoch with the buffers of all."""
        self._require_finite()
        per_worker = self.train_state.gather_buffers() if self.progress.step else {}
        if self.stage.workers.first:
            self.timer.save()
            save_state(self.stage.folder, self.progress, self._tensors(), per_worker)

    def _require_finite(self):
        """Nothing is written that holds other numbers: a variance can overflow in a step whose loss and gradients do not."""
        name = self.train_state.not_finite()
        if name:
            raise InputError(
                f"stage {self.stage.name}, epoch {self.progress.epoch + 1}: expected finite numbers, {name} has "
                "others; the last run state and checkpoints are kept"
            )

    def _steps(self, stop):
        """The steps that the epoch still lacks."""
        stage, progress = self.stage, self.progress
        stage.network.set_train(True)
        if stage.teacher is not None:
            stage.teacher.set_train(False)
        progress_bar = ProgressBar(
            f"{stage.name} {progress.epoch + 1}/{stage.settings.epochs}", self.steps, progress.step,
            self.images_per_step, stage.train.log_every, stage.workers.first,
        )  # fmt: skip
        batches = stage.train_data.epoch(progress.epoch)
        clock = time.perf_counter()
        try:
            for index in range(self.steps):
                of_step = list(itertools.islice(batches, stage.train.accumulate_steps))
                arrived = time.perf_counter()
                if index < progress.step:
                    clock = arrived
                    continue
                compiles = not self.step.ready
                rate, norm, stops = self._one_step(of_step, stop)
                if compiles:
                    progress_bar.restart_clock(progress.step)
                loss, top1 = self._means()
                progress_bar.update(progress.step, loss, rate, top1)
                end = time.perf_counter()
                self.timer.note(index, arrived - clock, end - arrived, compiles, norm)
                clock = end
                self._between_steps(stop, stops)
        finally:
            batches.close()
            progress_bar.close()

    def _one_step(self, batches, stop):
        """One step and its share of the epoch's sums; returns its learning rate, its gradient norm (NaN if the step is
        skipped) and whether a worker wished to stop."""
        progress = self.progress
        before = self.train_state.buffers_now() if self.skips.possible else None
        number = progress.epoch * self.steps + progress.step
        rate = self.rates[number]
        coefficients = self.train_state.optimizer.coefficients(rate, number + 1, progress.loss_scale)
        scale = self.scale.tensor(progress)
        figures, norm = self.step(self._with_paths(batches, number), coefficients, bool(stop), scale)
        (loss, hits, stops), norm = figures.asnumpy().tolist(), float(norm.asnumpy().item())
        progress.step += 1
        if self.skips.note(progress, loss, norm):
            progress.loss_sum += loss
            progress.hits += hits
            self.train_state.update_average(progress.updates)
            progress.updates += 1
            return rate, norm, stops > 0
        self.train_state.put_buffers(before)
        return rate, math.nan, stops > 0

    def _with_paths(self, batches, number):
        """(images, labels, drop path's factors) of each batch of step `number`, as tensors."""
        workers = self.stage.workers
        for part, (images, labels) in enumerate(batches):
            drop_mask = path_factors(
                self.path_rates, len(images), self.stage.seed, number,
                (part, len(batches)), (workers.rank, workers.size),
            )  # fmt: skip
            yield Tensor(images), Tensor(labels), drop_mask

    def _between_steps(self, stop, stops):
        """Save the run state where it is time, and end the run after a signal, on all workers after the same step."""
        stage, done = self.stage, self.progress.step
        if stops or (stop and stage.workers.size == 1):
            self._end(stop)
        if stage.every_steps and done % stage.every_steps == 0 and done < self.steps:
            self._save_state()

    def _end(self, stop):
        """Save the run state and end the run after a signal, to this worker or another one."""
        self._save_state()
        self.stage.workers.agree(0)  # the launcher kills the others as soon as one has ended
        raise Stopped(stop[0] if stop else signal.SIGTERM)

    def summary(self):
        """The stage in summary.json's words; top1 and top5 are best.ckpt's, images_per_second of training."""
        progress, stage = self.progress, self.stage
        images = progress.epoch * self.steps * self.images_per_step
        return {
            "name": stage.name,
            "epochs": progress.epoch,
            "top1": progress.best_top1,
            "top5": progress.best_top5,
            "best_epoch": progress.best_epoch,
            "seconds": progress.total_seconds,
            "images_per_second": images / progress.total_seconds if progress.total_seconds else 0.0,
        }
