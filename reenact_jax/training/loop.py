"""The training loop: one call trains a configuration, or goes on with it."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import numpy as np
from clu import parameter_overview
from tqdm import tqdm

from reenact_jax import method
from reenact_jax.checkpoint import Checkpoints
from reenact_jax.config import Config, LossConfig, check_same_run, to_json
from reenact_jax.data.frames import has_pairs, open_frames, open_pairs
from reenact_jax.data.info import check_face_model
from reenact_jax.data.pipeline import train_batches
from reenact_jax.errors import UserError
from reenact_jax.face_model.load import load_face_model
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.files import write_text
from reenact_jax.media import write_image
from reenact_jax.nn.initialise import initial_parameters
from reenact_jax.nn.model import FaceReenactor
from reenact_jax.pretrained.vgg19 import Vgg19Params, resolve_vgg19
from reenact_jax.samples import draw_samples, fixed_samples, training_samples
from reenact_jax.training import parallel
from reenact_jax.training.cadence import Cadence
from reenact_jax.training.log import MetricsLog
from reenact_jax.training.optimizer import make_optimizer
from reenact_jax.training.state import TrainState
from reenact_jax.training.step import Constants, make_train_step
from reenact_jax.training.watch import DataWait, FiniteWatch
from reenact_jax.visual import plot_curves

logger = logging.getLogger(__name__)


def train(config: Config, workdir: Path) -> TrainState:
    """Trains until `config.train.num_train_steps`, from the newest checkpoint in `workdir`.

    Writes `config.json`, `parameters.txt`, `metrics.jsonl`, `samples/`, `checkpoints/` and
    `loss.png` there.

    Returns:
      The final state, as arrays of the host.

    Raises:
      UserError: for a missing dataset or weights, another face model, another network, a batch that
        does not divide, or a loss that is no longer finite.
    """
    parallel.check_batch_size(config.train.batch_size)
    # The dataset first: it is what most people lack, and its message names a way on.
    frames = open_frames(config.data.data_dir, config.data.name, "train")
    face_model = load_face_model(config.face_model.name, config.face_model.path)
    check_face_model(frames.info, face_model)
    vgg = _feature_network(config.loss)
    is_writer = jax.process_index() == 0
    check_same_run(config, workdir / "config.json")

    network = method.make_network(config, face_model)
    optimizer = make_optimizer(config.train)
    params = initial_parameters(network.config, jax.random.key(config.seed))
    state = jax.tree.map(
        np.asarray, TrainState.create(params, optimizer, ema=bool(config.train.ema_decay))
    )
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
    checkpoints = Checkpoints(workdir / "checkpoints", keep=config.train.keep_checkpoints)
    if checkpoints.latest_step is not None:
        params, optimizer_state, data_state = checkpoints.restore(**state.checkpoint_items())
        state = TrainState.from_checkpoint_items(params, optimizer_state)
        batches.set_state(data_state)
        logger.info("going on after step %d", state.step)
    if is_writer:  # not before everything has been found to fit
        write_text(workdir / "config.json", to_json(config))
        overview = parameter_overview.get_parameter_overview(params, include_stats=False)
        write_text(workdir / "parameters.txt", overview + "\n")

    if has_pairs(config.data.data_dir, config.data.name):
        pairs = open_pairs(config.data.data_dir, config.data.name)
        samples = fixed_samples(pairs, config.image_size)
    else:
        samples = training_samples(batches_from(start_batch=0))
    draw = _sample_drawer(config, network, face_model, samples)
    log = MetricsLog(workdir / "metrics.jsonl", start_step=int(state.step), enabled=is_writer)
    constants = parallel.replicate(Constants(face_model=face_model, vgg=vgg))
    p_train_step = parallel.parallelise(make_train_step(config, network, optimizer))
    num_train_steps = config.train.num_train_steps
    log_due, sample_due, checkpoint_due = (
        Cadence(getattr(config.train, f"{name}_every_steps"), num_train_steps).due
        for name in ("log", "sample", "checkpoint")
    )

    start_step = int(state.step)
    state = parallel.replicate(state)
    metrics, data_wait, finite = None, DataWait(), FiniteWatch()
    progress = tqdm(
        range(start_step + 1, num_train_steps + 1),
        initial=start_step,
        total=num_train_steps,
        desc=f"train {config.name}",
        unit="step",
        disable=not is_writer,
    )
    try:
        for step in progress:
            with data_wait.waiting():
                batch = next(batches)
            # NOTE: the position is read between two batches, so that it belongs to this step.
            data_state = batches.get_state()
            state, step_metrics = p_train_step(state, parallel.shard(batch), constants)
            step_metrics = step_metrics.unreplicate()
            metrics = step_metrics if metrics is None else metrics.merge(step_metrics)
            finite.add(step, step_metrics.loss.total, step_metrics.gradient_norm.total)
            if log_due(step) or checkpoint_due(step):
                # Step k is given batch k - 1.
                finite.check(lambda step: next(batches_from(start_batch=step - 1)), workdir)
            if log_due(step):
                record = {"step": step} | {k: float(v) for k, v in metrics.compute().items()}
                log.append(record)
                progress.set_postfix(loss=f"{record['loss']:.3f}", data_wait=data_wait.share())
                metrics = None
            if checkpoint_due(step):
                items = parallel.unreplicate(state).checkpoint_items()
                checkpoints.save(step, data_state=data_state, **items)
                # A run that starts again from here knows nothing of earlier steps; neither do the
                # means of the next log line, so that both write the same.
                metrics = None
            if sample_due(step) and is_writer:
                path = workdir / "samples" / f"step_{step:06d}.png"
                path.parent.mkdir(exist_ok=True)
                write_image(path, draw(parallel.unreplicate(state).evaluation_params))
    finally:
        checkpoints.close()
    if is_writer:
        try:
            plot_curves(log.records, workdir / "loss.png")
        except ImportError:  # an extra, and no reason to fail a run that is complete
            logger.warning("no loss.png: it needs pip install 'reenact-jax[plots]'")
    return parallel.unreplicate(state)


def _sample_drawer(
    config: Config, network: FaceReenactor, face_model: MorphableModel, samples: dict
) -> Callable[[dict], np.ndarray]:
    """Parameters -> the picture of what they make of the fixed samples."""
    reenact = jax.jit(partial(method.reenact, network, config.guidance))
    inputs = face_model, samples["source_image"], samples["source"], samples["driving"]

    def draw(params: dict) -> np.ndarray:
        images, _, guidance = reenact(params, *inputs)
        return draw_samples(samples, images, guidance)

    return draw


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
