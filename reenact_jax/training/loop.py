"""The training loop: one call trains a configuration, or goes on with it."""

import contextlib
import logging
import signal
from functools import partial
from pathlib import Path

import jax
import numpy as np
from clu import parameter_overview

from reenact_jax import method
from reenact_jax.checkpoint import Checkpoints
from reenact_jax.config import Config, LossConfig, check_same_run
from reenact_jax.data.frames import open_frames
from reenact_jax.data.info import check_face_model
from reenact_jax.data.pipeline import train_batches
from reenact_jax.errors import UserError
from reenact_jax.face_model.load import load_face_model
from reenact_jax.nn.initialise import initial_parameters
from reenact_jax.pretrained.vgg19 import Vgg19Params, resolve_vgg19
from reenact_jax.training import hosts, parallel
from reenact_jax.training.cadence import Cadence
from reenact_jax.training.fixed_pairs import open_fixed_pairs
from reenact_jax.training.log import RunningMeans
from reenact_jax.training.optimizer import make_optimizer
from reenact_jax.training.progress import Progress
from reenact_jax.training.resume import newest_state, stored_progress
from reenact_jax.training.run_folder import RunFolder
from reenact_jax.training.state import TrainState
from reenact_jax.training.step import Constants, make_train_step
from reenact_jax.training.stopping import Interrupted, StopRequest
from reenact_jax.training.watch import DataWait, FiniteWatch

logger = logging.getLogger(__name__)


def train(config: Config, workdir: Path) -> TrainState:
    """Trains until `config.train.num_train_steps`, from the newest checkpoint in `workdir`.

    docs/training.md says what is written there. SIGTERM and SIGINT save a checkpoint and end the
    run; the same call goes on, and ends with the same result.

    Returns:
      The last state, as arrays of the host.

    Raises:
      UserError: for a missing dataset or weights, another face model, another network, a batch that
        does not divide, a folder that cannot be written to, or a loss that is no longer finite.
      KeyboardInterrupt: after SIGINT, when the checkpoint is complete.
    """
    parallel.check_batch_size(config.train.batch_size)
    # The dataset first: it is what most people lack, and its message names a way on.
    frames = open_frames(config.data.data_dir, config.data.name, "train")
    face_model = load_face_model(config.face_model.name, config.face_model.path)
    check_face_model(frames.info, face_model)
    vgg = _feature_network(config.loss)
    check_same_run(config, workdir / "config.json")

    network = method.make_network(config, face_model)
    optimizer = make_optimizer(config.train)
    params = initial_parameters(network.config, jax.random.key(config.seed))
    ema = bool(config.train.ema_decay)
    state = jax.tree.map(np.asarray, TrainState.create(params, optimizer, ema=ema))
    logger.info("%s", _parameter_summary(params))
    batches_from = partial(
        train_batches,
        frames,
        seed=config.seed,
        batch_size=config.train.batch_size,
        image_size=config.image_size,
        num_threads=config.data.num_threads,
        num_workers=config.data.num_workers,
        on_damage=config.data.on_damage,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    batches = batches_from(start_batch=0)
    is_writer = hosts.is_writer()
    checkpoint_folder = workdir / "checkpoints"
    if is_writer:
        checkpoint_folder.mkdir(parents=True, exist_ok=True)
    hosts.check_shared_folder(checkpoint_folder)
    with contextlib.ExitStack() as stack:
        keep = config.train.keep_checkpoints if is_writer else None
        checkpoints = stack.enter_context(Checkpoints(checkpoint_folder, keep=keep))
        state, stored = newest_state(checkpoints, state)
        if stored is not None:
            batches.set_state(stored["data"])
            logger.info("going on after step %d", state.step)
        step = start_step = int(state.step)
        position = batches.get_state()
        means = RunningMeans(stored["means"] if stored else ())
        if is_writer:  # not before everything has been found to fit
            folder = RunFolder(workdir, config, state.params, start_step)
            stack.callback(folder.close)
            first_batch = partial(batches_from, start_batch=0)
            fixed_pairs = open_fixed_pairs(config, network, face_model, first_batch)

        constants = parallel.replicate(Constants(face_model=face_model, vgg=vgg))
        p_train_step = parallel.parallelise(make_train_step(config, network, optimizer))
        state = parallel.replicate(state)
        num_train_steps = config.train.num_train_steps
        log_due, sample_due, checkpoint_due = (
            Cadence(getattr(config.train, f"{name}_every_steps"), num_train_steps).due
            for name in ("log", "sample", "checkpoint")
        )
        finite = FiniteWatch()
        progress = Progress(config.name, start_step, num_train_steps, enabled=is_writer)
        stack.callback(progress.close)
        data_wait = stack.enter_context(DataWait(f"{config.data.name} in {config.data.data_dir}"))
        stop = stack.enter_context(StopRequest())

        def batch_of(step: int) -> dict:
            return next(batches_from(start_batch=step - 1))

        def save(step: int, host: TrainState, score: float | None = None) -> None:
            stored = stored_progress(position, means)
            checkpoints.save(step, **host.checkpoint_items(), progress=stored, score=score)

        while step < num_train_steps and not stop.agreed:
            try:
                with stop.ends_waiting(), data_wait.waiting(step + 1):
                    batch = next(batches)
            except Interrupted:
                break
            # NOTE: read between two batches, so that the position belongs to this step.
            position = batches.get_state()
            state, metrics = p_train_step(state, parallel.shard(batch), constants)
            step += 1
            metrics = metrics.unreplicate()
            means.add(metrics)
            finite.add(step, metrics.loss.total, metrics.gradient_norm.total)
            progress.advance()
            stop.ask(step)
            saving = checkpoint_due(step) or sample_due(step)
            if log_due(step) or saving:
                finite.check(batch_of, workdir)
            if log_due(step):
                values, waited = means.take(), data_wait.share()
                rate = progress.log(values["loss"], waited)
                if is_writer:
                    folder.log(step, values, {"steps_per_second": rate, "data_wait": waited})
            if saving and is_writer:
                host, score = parallel.unreplicate(state), None
                if sample_due(step):
                    score = fixed_pairs.score(host.evaluation_params)
                    folder.show(step, fixed_pairs.draw(host.evaluation_params), score)
                # Last, so that a run that goes on from here has nothing to make up for.
                save(step, host, score)

        finite.check(batch_of, workdir)
        host = parallel.unreplicate(state)
        if is_writer:
            if step > start_step:  # nothing is done where the loop has just saved
                save(step, host)
            folder.report()
    if step < num_train_steps:
        logger.info("stopped after step %d; the same command goes on", step)
        if stop.signal == signal.SIGINT:
            raise KeyboardInterrupt
    return host


def _parameter_summary(params: dict) -> str:
    counts = {name: parameter_overview.count_parameters(tree) for name, tree in params.items()}
    parts = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return f"parameters: {parts}"


def _feature_network(loss: LossConfig) -> Vgg19Params | None:
    if not (loss.weights.perceptual or loss.weights.style):
        logger.info("VGG-19: not used, the perceptual and the style term have no weight")
        return None
    try:
        return resolve_vgg19(loss.vgg_weights)
    except (OSError, ImportError, ValueError) as error:
        raise UserError(f"loss.vgg_weights: {error}") from error
