"""A run with every option of training; slow lane."""

import jax
import numpy as np
import pytest

from reenact_jax.inference.run import load_run
from reenact_jax.training import loop
from tests.helpers.tiny import tiny_config

OPTIONS = {
    "train__batch_size": 8,
    "train__ema_decay": 0.5,
    "train__warmup_steps": 1,
    "train__bidirectional": True,
    "train__accumulate_steps": 2,
    "train__rematerialise": True,
    "network__dtype": "bfloat16",
}


@pytest.mark.slow
def test_a_run_with_every_option_goes_on_exactly_and_leaves_the_average(tiny_world, tmp_path):
    config = tiny_config(tiny_world, **OPTIONS)
    whole = loop.train(config, tmp_path / "whole")
    loop.train(tiny_config(tiny_world, **OPTIONS, train__num_epochs=2), tmp_path / "stopped")
    stopped = loop.train(config, tmp_path / "stopped")
    jax.tree.map(np.testing.assert_array_equal, stopped, whole)

    run = load_run(config, tmp_path / "whole")
    jax.tree.map(np.testing.assert_array_equal, run.params, whole.ema_params)
    assert any(
        np.abs(one - other).max() > 1e-5
        for one, other in zip(
            jax.tree.leaves(whole.params), jax.tree.leaves(whole.ema_params), strict=True
        )
    )
