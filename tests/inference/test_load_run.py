"""A trained run is read back under its own configuration, or refused."""

import pytest

from reenact_jax.errors import UserError
from reenact_jax.inference.run import load_run
from tests.helpers.tiny import tiny_config


def test_a_folder_without_a_run_is_refused(tiny_world, tmp_path):
    with pytest.raises(UserError, match="expected a run trained by"):
        load_run(tiny_config(tiny_world), tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UserError, match="no complete checkpoint yet"):
        load_run(tiny_config(tiny_world), tmp_path)


def test_a_run_is_not_read_under_another_configuration_of_the_same_shapes(tiny_run, tiny_world):
    config = tiny_config(tiny_world, network__occlusion_guidance=False)
    with pytest.raises(UserError, match=r"trained with config\.network"):
        load_run(config, tiny_run)
