"""Models in the package: found by name, small, and complete."""

import json
from pathlib import Path

import pytest

from reenact_jax.data import prepared
from reenact_jax.data.talking_heads import WorldSpec
from reenact_jax.errors import UserError
from reenact_jax.inference import shipped
from reenact_jax.inference.model_card import data_licence, model_card, weights_licence
from reenact_jax.inference.model_folder import read_config
from reenact_jax.inference.run import load_run

LARGEST = 25e6


@pytest.fixture
def models(tmp_path, monkeypatch) -> Path:
    """A package with one model, `small`, that has an example of a source alone."""
    monkeypatch.setattr(shipped, "MODELS", tmp_path)
    (tmp_path / "small" / "examples" / "clips" / "source").mkdir(parents=True)
    (tmp_path / "small" / "config.json").write_text("{}")
    return tmp_path


def test_a_model_is_found_by_its_name(models):
    folder, source, driving = shipped.choose(None, "small", None, "b.mp4")
    assert folder == models / "small"
    assert source == models / "small" / "examples" / "clips" / "source"
    assert driving == Path("b.mp4")


def test_what_is_given_goes_before_the_examples(models):
    assert shipped.choose(None, "small", "a.png", "b.mp4")[1:] == (Path("a.png"), Path("b.mp4"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, None, "a", "b"), "either --run FOLDER or --model NAME"),
        (("runs/demo", "small", "a", "b"), "either --run FOLDER or --model NAME"),
        ((None, "large", "a", "b"), r"ships with reenact_jax \(small\), found 'large'"),
        ((None, "small", None, None), "expected --driving FILE: .*small has no example"),
        (("runs/demo", None, None, "b"), "expected --source FILE: runs/demo has no example"),
    ],
)
def test_what_is_missing_or_too_much_is_named(models, arguments, message):
    with pytest.raises(UserError, match=message):
        shipped.choose(*arguments)


def test_the_small_model_is_small_and_can_be_read():
    if "small" not in shipped.shipped_models():
        pytest.skip("reenact_jax/models/small is not there yet: docs/export.md says how to make it")
    folder = shipped.shipped_model("small")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST
    assert load_run(read_config(folder), folder).step > 0
    assert shipped.example_clip(folder, shipped.SOURCE).is_dir()
    assert shipped.example_clip(folder, shipped.DRIVING).is_dir()


def test_the_small_model_s_card_is_what_the_code_writes_of_its_configuration():
    folder = shipped.shipped_model("small")
    facts, config = json.loads((folder / "config.json").read_text()), read_config(folder)
    # configs/small.py names the command that draws this world.
    world = WorldSpec(image_size=128).condition_hash("exact")
    assert facts["dataset"]["specification"] == world
    assert prepared.read_dataset_info(folder / shipped.EXAMPLES).specification == world
    assert facts["weights_licence"] == weights_licence(config, None)
    card = model_card(
        config,
        folder_name="small",
        step=facts["step"],
        num_parameters=facts["num_parameters"],
        dataset=facts["dataset"],
        licence=data_licence(config, None),
        licence_of_weights=weights_licence(config, None),
        metrics=None,
        has_function=False,
        has_examples=True,
    )
    # Its metrics.json stayed with the run.
    assert without_metrics((folder / "README.md").read_text()) == without_metrics(card)


def without_metrics(card: str) -> str:
    before, _, rest = card.partition("\n## Metrics\n")
    return before + rest[rest.index("\n## ") :]
