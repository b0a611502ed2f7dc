"""One training step: what it minimises, what it leaves alone, and its parallel form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reenact_jax import method
from reenact_jax.data.frames import open_frames
from reenact_jax.data.pipeline import train_batches
from reenact_jax.errors import UserError
from reenact_jax.face_model.load import load_face_model
from reenact_jax.nn.initialise import initial_parameters
from reenact_jax.pretrained.vgg19 import random_vgg19
from reenact_jax.training import parallel
from reenact_jax.training.optimizer import make_optimizer
from reenact_jax.training.state import TrainState
from reenact_jax.training.step import Constants, make_train_step
from tests.helpers.tiny import tiny_config


@pytest.fixture(scope="module")
def setting(tiny_world):
    """Step, start state and constants of the tiny configuration, and one batch."""
    config = tiny_config(tiny_world)
    face_model = load_face_model(config.face_model.name)
    network = method.make_network(config, face_model)
    optimizer = make_optimizer(config.train)
    params = initial_parameters(network.config, jax.random.key(0))
    state = jax.tree.map(np.asarray, TrainState.create(params, optimizer))
    frames = open_frames(config.data.data_dir, config.data.name, "train")
    batch = next(train_batches(frames, seed=0, batch_size=4, image_size=config.image_size))
    step = parallel.parallelise(make_train_step(config, network, optimizer))
    constants = parallel.replicate(Constants(face_model=face_model, vgg=random_vgg19(0)))
    return step, state, constants, batch


def test_one_batch_is_learned(setting):
    step, state, constants, batch = setting
    state = parallel.replicate(state)
    losses = []
    for _ in range(12):
        state, metrics = step(state, parallel.shard(batch), constants)
        losses.append(float(metrics.unreplicate().compute()["loss"]))
    assert losses[-1] < 0.7 * losses[0]
    assert parallel.unreplicate(state).step == 12


def test_every_device_holds_the_same_state_after_a_step(setting):
    step, state, constants, batch = setting
    state, _ = step(parallel.replicate(state), parallel.shard(batch), constants)
    for leaf in jax.tree.leaves(jax.device_get(state)):
        np.testing.assert_array_equal(leaf, np.broadcast_to(leaf[:1], leaf.shape))


def test_the_step_reports_the_mean_over_the_whole_batch(setting):
    step, state, constants, batch = setting
    _, metrics = step(parallel.replicate(state), parallel.shard(batch), constants)
    whole = metrics.unreplicate().compute()
    # Every pair alone, four times over: the mean of the four losses is that of the batch.
    losses = []
    for row in range(4):
        alone = jax.tree.map(lambda leaf, row=row: np.repeat(leaf[row : row + 1], 4, 0), batch)
        _, metrics = step(parallel.replicate(state), parallel.shard(alone), constants)
        losses.append(float(metrics.unreplicate().compute()["loss"]))
    assert np.ptp(losses) > 0.01
    np.testing.assert_allclose(whole["loss"], np.mean(losses), rtol=1e-5)
    assert set(whole) == {"loss", "loss_multi_scale_l1", "gradient_norm", "learning_rate"}
    np.testing.assert_allclose(whole["learning_rate"], 1e-3, rtol=1e-6)


def test_gradients_are_averaged_over_the_devices(setting):
    step, state, constants, batch = setting
    results = []
    for order in ([0, 1, 2, 3], [2, 3, 0, 1]):
        shuffled = jax.tree.map(lambda leaf, order=order: leaf[order], batch)
        new, metrics = step(parallel.replicate(state), parallel.shard(shuffled), constants)
        results.append((parallel.unreplicate(new), metrics.unreplicate().compute()))
    (first, metrics), (second, others) = results
    np.testing.assert_allclose(metrics["gradient_norm"], others["gradient_norm"], rtol=1e-5)
    # Adam's first moment after one step is the gradient, up to a factor.
    for one, other in zip(
        *(jax.tree.leaves(s.opt_state[0].mu) for s in (first, second)), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(one).max() + 1e-8)


def test_a_parallel_step_is_traced_once():
    traced = []

    def step(state, batch):
        traced.append(batch.shape)
        return state + parallel.mean_over_devices(batch.sum()), batch.mean()

    p_step = parallel.parallelise(step)
    state = parallel.replicate(jnp.zeros(()))
    for _ in range(3):
        state, _ = p_step(state, parallel.shard(np.arange(8.0, dtype=np.float32)))
    assert traced == [(2,)]
    np.testing.assert_allclose(parallel.unreplicate(state), 3 * 28 / 4)


def test_a_batch_that_does_not_divide_over_the_devices_is_refused():
    parallel.check_batch_size(8)
    with pytest.raises(UserError, match="multiple of the 4 devices, found 6"):
        parallel.check_batch_size(6)
