"""Configuration files become frozen dataclasses or clear errors."""

import importlib
import json

import pytest

from reenact_jax.config import check_same_run, from_config_dict, from_json, to_json
from reenact_jax.errors import UserError
from reenact_jax.files import write_text

NAMES = ["vox", "clips", "demo", "recipe", "small"]


def config_of(name):
    return importlib.import_module(f"configs.{name}").get_config()


@pytest.mark.parametrize("name", NAMES)
def test_every_config_file_is_complete_and_survives_json(name, tmp_path):
    config = from_config_dict(config_of(name))
    assert config.name == name
    write_text(tmp_path / "config.json", to_json(config))
    assert from_json(tmp_path / "config.json") == config


@pytest.mark.parametrize("dataset", ["clips", "talking_heads"])
def test_the_paper_size_differs_from_vox_in_data_and_schedule_alone(dataset):
    vox = config_of("vox")
    config = importlib.import_module("configs.paper_size").get_config(dataset)
    assert from_config_dict(config).data.name == dataset
    for name in ("completion", "reenactment"):
        assert config.network[name] == vox.network[name]
    for name in ("perceptual", "style"):
        assert config.loss[name] == vox.loss[name]
    assert config.image_size == vox.image_size
    assert config.train.learning_rate == vox.train.learning_rate


def test_unknown_key_is_named_with_a_suggestion():
    values = config_of("demo").to_dict()
    values["train"]["batchsize"] = 4
    with pytest.raises(UserError, match=r"config\.train\.batchsize.*did you mean.*batch_size"):
        from_config_dict(values)


def test_missing_key_is_named():
    values = config_of("demo").to_dict()
    del values["train"]["learning_rate"]
    with pytest.raises(UserError, match=r"config\.train\.learning_rate is missing"):
        from_config_dict(values)


def test_refused_value_names_its_place():
    values = config_of("demo").to_dict()
    values["guidance"]["occlusion"] = "magic"
    with pytest.raises(UserError, match=r"config\.guidance: expected occlusion"):
        from_config_dict(values)


@pytest.mark.parametrize(
    "section, key, value, message",
    [
        ("train", "batch_size", 0, r"config\.train: expected batch_size >= 1, found 0"),
        ("train", "batch_size", 4.0, r"config\.train\.batch_size: expected int, found 4\.0"),
        ("train", "learning_rate", "1e-4", r"config\.train\.learning_rate: expected float"),
        ("train", "learning_rate", 0.0, r"config\.train: expected learning_rate > 0"),
        ("loss", "style", -1.0, r"config\.loss: expected weights >= 0"),
        ("network", "reenactment", 3, r"config\.network\.reenactment: expected a group of keys"),
        ("network", "flow_guidance", 1, r"config\.network\.flow_guidance: expected bool, found 1"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(section, key, value, message):
    values = config_of("demo").to_dict()
    values[section][key] = value
    with pytest.raises(UserError, match=message):
        from_config_dict(values)


def test_an_image_size_that_does_not_suit_the_networks_is_refused():
    values = config_of("demo").to_dict()
    values["image_size"] = 72
    with pytest.raises(UserError, match="config: expected image sides that are multiples of 16"):
        from_config_dict(values)


def test_a_run_refuses_another_learning_configuration(tmp_path):
    path = tmp_path / "config.json"
    values = config_of("demo").to_dict()
    check_same_run(from_config_dict(values), path)
    write_text(path, to_json(from_config_dict(values)))
    values["train"]["num_epochs"] += 1
    values["data"]["data_dir"] = "elsewhere"
    check_same_run(from_config_dict(values), path)
    values["loss"]["style"] = 3.0
    with pytest.raises(UserError, match=r"config\.loss\.style"):
        check_same_run(from_config_dict(values), path)


def test_paper_configuration_is_the_papers():
    config = from_config_dict(config_of("vox"))
    assert config.image_size == 256
    assert (config.loss.perceptual, config.loss.style, config.loss.multi_scale_l1) == (1, 250, 0)
    assert (config.train.batch_size, config.train.num_epochs) == (8, 100)
    assert config.train.learning_rate == 1e-4 and config.train.decayed_learning_rate == 1e-5
    assert config.network.flow_guidance and config.network.occlusion_guidance
    assert config.network.reenactment.synthesis_guidance
    assert json.loads(to_json(config))["face_model"]["name"] == "bfm2009"
