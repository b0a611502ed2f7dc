"""One training step: what it minimises, what it leaves alone, and its parallel form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import vox
from reenact_jax import method
from reenact_jax.config import from_config_dict
from reenact_jax.errors import UserError
from reenact_jax.face_model.load import load_face_model
from reenact_jax.losses.total import reconstruction_loss
from reenact_jax.pretrained.vgg19 import random_vgg19
from reenact_jax.training import parallel
from reenact_jax.training.optimizer import make_optimizer
from reenact_jax.training.state import TrainState
from reenact_jax.training.step import Constants
from tests.helpers.tiny import tiny_config
from tests.helpers.tiny_step import read_batch, step_and_state


@pytest.fixture(scope="module")
def setting(tiny_world):
    """Step, start state and constants of the tiny configuration, and one batch."""
    config = tiny_config(tiny_world)
    step, state = step_and_state(config)
    constants = Constants(face_model=load_face_model(config.face_model.name), vgg=random_vgg19(0))
    step, constants = parallel.parallelise(step), parallel.replicate(constants)
    return step, state, constants, read_batch(config, 4)


def first_moments(state):
    """Of Adam; after one step they are the gradients, up to a factor."""
    return parallel.unreplicate(state).opt_state[0].mu


def test_parameters_and_moments_stay_float32_under_bfloat16(tiny_world, setting):
    _, state, constants, batch = setting
    half, _ = step_and_state(tiny_config(tiny_world, network__dtype="bfloat16"))
    arguments = parallel.replicate(state), parallel.shard(batch), constants
    after, _ = jax.eval_shape(parallel.parallelise(half), *arguments)
    moments = after.opt_state[0]
    kinds = {leaf.dtype for leaf in jax.tree.leaves((after.params, moments.mu, moments.nu))}
    assert kinds == {jnp.dtype("float32")}


def test_one_batch_is_learned(setting):
    step, state, constants, batch = setting
    state = parallel.replicate(state)
    losses = []
    for _ in range(12):
        state, metrics = step(state, parallel.shard(batch), constants)
        losses.append(float(metrics.unreplicate().compute()["loss"]))
    assert losses[-1] < 0.7 * losses[0]
    assert parallel.unreplicate(state).step == 12


def test_weights_and_moments_stay_float32_where_the_networks_compute_in_bfloat16(
    setting, tiny_world
):
    _, _, constants, batch = setting
    step, state = step_and_state(tiny_config(tiny_world, network__dtype="bfloat16"))
    # Types alone: nothing is compiled or run.
    program, (new, _) = jax.make_jaxpr(parallel.parallelise(step), return_shape=True)(
        parallel.replicate(state), parallel.shard(batch), constants
    )
    assert "bf16" in str(program)
    adam = new.opt_state[0]
    for leaf in jax.tree.leaves((new.params, adam.mu, adam.nu)):
        assert leaf.dtype == jnp.float32


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


def test_a_step_with_its_guidance_is_one_program_that_never_asks_the_host(setting):
    step, state, constants, batch = setting
    assert set(batch) == {"source_image", "driving_image", "source", "driving"}
    program = str(jax.make_jaxpr(step)(parallel.replicate(state), parallel.shard(batch), constants))
    assert "conv_general_dilated[" in program and "scatter" in program
    assert "callback" not in program


def test_the_states_memory_is_reused(setting):
    step, state, constants, batch = setting
    old = parallel.replicate(state)
    step(old, parallel.shard(batch), constants)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(old))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(constants))


def test_both_ways_in_parts_give_the_mean_gradient_and_the_average_follows(setting, tiny_world):
    """Eight pairs, two a device, each in both directions, one pair at a time."""
    step, state, constants, _ = setting
    config = tiny_config(
        tiny_world,
        train__batch_size=8,
        train__bidirectional=True,
        train__accumulate_steps=2,
        train__ema_decay=0.9,
    )
    batch = read_batch(config, 8)
    # One identity a pair, as in clips of the open tracker: its mean is itself.
    driving = batch["driving"].replace(identity=batch["source"].identity)
    there = {**batch, "driving": driving}
    back = {
        "source_image": there["driving_image"],
        "driving_image": there["source_image"],
        "source": there["driving"],
        "driving": there["source"],
    }
    moments, losses = [], []
    for direction in (there, back):
        for half in (slice(0, 4), slice(4, 8)):
            part = jax.tree.map(lambda leaf, half=half: leaf[half], direction)
            new, metrics = step(parallel.replicate(state), parallel.shard(part), constants)
            moments.append(first_moments(new))
            losses.append(metrics.unreplicate().compute()["loss"])

    step_at_once, start = step_and_state(config)
    new, metrics = parallel.parallelise(step_at_once)(
        parallel.replicate(start), parallel.shard(there), constants
    )
    assert np.ptp(losses) > 1e-3
    np.testing.assert_allclose(metrics.unreplicate().compute()["loss"], np.mean(losses), rtol=1e-5)
    expected = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *moments)
    for one, other in zip(
        jax.tree.leaves(expected), jax.tree.leaves(first_moments(new)), strict=True
    ):
        # Sums of float32 in another order.
        np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(one).max() + 1e-8)

    new = parallel.unreplicate(new)
    assert new.evaluation_params is new.ema_params
    for initial, current, averaged in zip(
        *map(jax.tree.leaves, (start.params, new.params, new.ema_params)), strict=True
    ):
        np.testing.assert_allclose(averaged, 0.9 * initial + 0.1 * current, atol=1e-7)


def test_a_warm_up_trains_the_completion_network_on_the_warped_source(setting, tiny_world):
    _, _, constants, batch = setting
    config = tiny_config(tiny_world, train__warmup_steps=2)
    step, start = step_and_state(config)
    step = parallel.parallelise(step)
    states, losses = [start], []
    state = parallel.replicate(start)
    for _ in range(3):
        state, metrics = step(state, parallel.shard(batch), constants)
        states.append(parallel.unreplicate(state))
        losses.append(float(metrics.unreplicate().compute()["loss"]))

    face_model = load_face_model(config.face_model.name)

    @jax.jit
    def loss_of_warped_source(params):
        network = method.make_network(config, face_model)
        images = batch["source_image"], batch["driving_image"]
        guidance, descriptor = method.guide(
            face_model, config.guidance, images[0], batch["source"], batch["driving"]
        )
        warped = method.warp_source(network, params, images[0], guidance, descriptor)
        return reconstruction_loss(warped, images[1], None, config.loss.weights)[0].mean()

    for state, loss in zip(states[:2], losses[:2], strict=True):
        np.testing.assert_allclose(loss_of_warped_source(state.params), loss, rtol=1e-5)
    assert abs(losses[2] - losses[1]) > 0.1

    def largest_changes(network):
        return [
            max(
                np.abs(one - other).max()
                for one, other in zip(
                    *(jax.tree.leaves(state.params[network]) for state in pair), strict=True
                )
            )
            for pair in zip(states, states[1:], strict=False)
        ]

    assert largest_changes("reenactment")[:2] == [0, 0]
    assert min(largest_changes("completion")) > 1e-4
    # Adam's first step is the learning rate; moments of two steps without a gradient would make it
    # (1 - 0.5) / sqrt(1 - 0.999) = 16 times as long.
    np.testing.assert_allclose(largest_changes("reenactment")[2], 1e-3, rtol=1e-3)


def test_the_state_survives_its_parts():
    optimizer = make_optimizer(from_config_dict(vox.get_config()).train)
    params = {"completion": {"kernel": np.ones(3)}, "reenactment": {"kernel": np.ones(2)}}
    plain = TrainState.create(params, optimizer)
    averaged = plain.replace(ema_params=jax.tree.map(lambda leaf: leaf / 2, params))
    for state in (plain, averaged):
        items = state.checkpoint_items()
        assert items["params"] is state.evaluation_params
        again = TrainState.from_checkpoint_items(**items)
        jax.tree.map(np.testing.assert_array_equal, again, state)
    assert plain.evaluation_params is plain.params


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
