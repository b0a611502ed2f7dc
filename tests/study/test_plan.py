"""Which runs there are, and what their configurations share."""

import pytest

from configs.study import get_config
from reenact_jax.config import from_config_dict
from reenact_jax.study.plan import SEEDS, VARIANTS, study_runs


def test_sixteen_runs_seed_by_seed():
    runs = study_runs()
    assert len(runs) == 16 and len({run.name for run in runs}) == 16
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    assert {v: sum(run.variant == v for run in runs) for v in VARIANTS} == SEEDS


def test_variants_differ_in_their_guidance_and_their_name_alone():
    configs = {name: get_config(f"{name},seed=2").to_dict() for name in VARIANTS}
    switches = {}
    for name, config in configs.items():
        network = config["network"]
        switches[name] = (
            network.pop("flow_guidance"),
            network.pop("occlusion_guidance"),
            network["reenactment"].pop("synthesis_guidance"),
        )
        config.pop("name")
    assert all(config == configs["base"] for config in configs.values())
    assert switches == {
        "base": (False, False, False),
        "fg": (True, False, False),
        "fg_og": (True, True, False),
        "full": (True, True, True),
    }


def test_a_seed_and_a_condition_are_taken_from_the_argument():
    config = from_config_dict(get_config("fg,seed=4,condition=fitted"))
    assert config.seed == 4 and config.data.data_dir == "data/fitted"
    assert config.train.num_train_steps == 3000  # as planned in docs/study_plan.md


@pytest.mark.parametrize("argument", ["sg", "full,condition=wrong", "full,sede=1"])
def test_another_argument_is_refused(argument):
    with pytest.raises(ValueError, match="expected base|fg|fg_og|full"):
        get_config(argument)
