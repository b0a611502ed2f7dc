"""Configuration: ml_collections files become frozen dataclasses here, and nowhere below.

Every key of a file must be a field and every field without a default must be given, so that a
misspelt key is an error and not a default.
"""

import dataclasses
import difflib
import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import ml_collections

from reenact_jax.errors import UserError
from reenact_jax.guidance import GuidanceConfig
from reenact_jax.losses.total import LossWeights
from reenact_jax.nn.config import ModelConfig

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class FaceModelConfig:
    """Which morphable model.

    Attributes:
      name: `procedural-light`, `procedural-full`, `ict` or `bfm2009`.
      path: the model's file, for models that are files.
    """

    name: str
    path: str


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which packed dataset, and how it is read.

    Attributes:
      name: TFDS name of the dataset.
      data_dir: folder that holds it.
      num_threads: threads that read and decode frames, in the process or in each worker.
      num_workers: processes that make batches; 0 = the training process itself.
      on_damage: what a damaged record does: `stop` ends the run, `skip` takes another frame.
    """

    name: str
    data_dir: str
    num_threads: int
    num_workers: int = 0
    on_damage: str = "stop"

    def __post_init__(self):
        _check_positive(self, "num_threads")
        if self.num_workers < 0:
            raise ValueError(f"expected num_workers >= 0, found {self.num_workers}")
        if self.on_damage not in ("stop", "skip"):
            raise ValueError(f"expected on_damage 'stop' or 'skip', found {self.on_damage!r}")


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of the loss terms (Eq. 10).

    Attributes:
      perceptual: weight of L_c.
      style: lambda_s, weight of L_s.
      multi_scale_l1: weight of an L1 term on the image pyramid, for configurations without
        trained VGG weights; 0 in the paper.
      vgg_weights: torchvision's VGG-19 file (.pth or .safetensors), or `random`.
    """

    perceptual: float
    style: float
    multi_scale_l1: float
    vgg_weights: str

    def __post_init__(self):
        _ = self.weights  # refuses what it cannot use

    @property
    def weights(self) -> LossWeights:
        return LossWeights(self.perceptual, self.style, self.multi_scale_l1)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Length, optimiser and cadences of training.

    Attributes:
      batch_size: pairs per step over all devices of all hosts.
      num_epochs, steps_per_epoch: their product is the number of training steps.
      learning_rate: until `decay_after_epochs` are complete.
      decayed_learning_rate: after that.
      adam_beta1, adam_beta2: Adam's decay rates.
      log_every_steps, sample_every_steps, checkpoint_every_steps: cadences; 0 = only at the end.
      keep_checkpoints: how many of the newest checkpoints are kept.
      ema_decay: decay per step of the exponential moving average of the parameters that samples,
        evaluation and reenactment then use; 0 = none.
      warmup_steps: first steps, in which the completion network alone learns, from the source image
        moved by its flow; 0 = none.
      bidirectional: learn from every pair in both directions; the batch then holds twice
        `batch_size` examples.
      accumulate_steps: parts that a device's share of the batch is worked off in, one after the
        other. Less memory, the same gradient.
      rematerialise: compute activations again in the backward pass instead of keeping them. Less
        memory, the same gradient.
    """

    batch_size: int
    num_epochs: int
    steps_per_epoch: int
    learning_rate: float
    decay_after_epochs: int
    decayed_learning_rate: float
    adam_beta1: float
    adam_beta2: float
    log_every_steps: int
    sample_every_steps: int
    checkpoint_every_steps: int
    keep_checkpoints: int
    ema_decay: float = 0.0
    warmup_steps: int = 0
    bidirectional: bool = False
    accumulate_steps: int = 1
    rematerialise: bool = False

    def __post_init__(self):
        for name in (
            "batch_size",
            "num_epochs",
            "steps_per_epoch",
            "keep_checkpoints",
            "accumulate_steps",
        ):
            _check_positive(self, name)
        for name in (
            "log_every_steps",
            "sample_every_steps",
            "checkpoint_every_steps",
            "warmup_steps",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"expected {name} >= 0, found {getattr(self, name)}")
        for name in ("adam_beta1", "adam_beta2", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"expected {name} in [0, 1), found {getattr(self, name)}")
        for name in ("learning_rate", "decayed_learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"expected {name} > 0, found {getattr(self, name)}")
        if self.batch_size % self.accumulate_steps:
            raise ValueError(
                f"expected batch_size to be a multiple of accumulate_steps, "
                f"found {self.batch_size} and {self.accumulate_steps}"
            )

    @property
    def num_train_steps(self) -> int:
        return self.num_epochs * self.steps_per_epoch


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """How a trained model is scored.

    Attributes:
      batch_size: pairs scored at a time.
    """

    batch_size: int

    def __post_init__(self):
        _check_positive(self, "batch_size")


@dataclasses.dataclass(frozen=True)
class Config:
    """One run: see `configs/` for files that fill this."""

    name: str
    seed: int
    image_size: int
    face_model: FaceModelConfig
    data: DataConfig
    guidance: GuidanceConfig
    network: ModelConfig
    loss: LossConfig
    train: TrainConfig
    evaluate: EvaluateConfig

    def __post_init__(self):
        if self.seed < 0:
            raise ValueError(f"expected seed >= 0, found {self.seed}")
        self.network.check_image_size(self.image_size, self.image_size)


def _check_positive(config: object, name: str) -> None:
    if getattr(config, name) < 1:
        raise ValueError(f"expected {name} >= 1, found {getattr(config, name)}")


def from_config_dict(config: ml_collections.ConfigDict | Mapping[str, Any]) -> Config:
    """Checks a configuration file's content and freezes it.

    Raises:
      UserError: for an unknown key, a missing key or a value that a field refuses.
    """
    if isinstance(config, ml_collections.ConfigDict):
        config = config.to_dict()
    return _build(Config, config, "config")


# Type of a field -> types of values for it; a bool is no number. (Choices check themselves.)
_ACCEPTED = {float: (float, int), int: (int,), str: (str,), bool: (bool,)}


def _build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    if not isinstance(values, Mapping):
        raise UserError(f"{where}: expected a group of keys, found {values!r}")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in values:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"; did you mean {where}.{close[0]}?" if close else ""
            raise UserError(
                f"{where}.{key} is not a configuration key (known here: {', '.join(fields)}){hint}"
            )
    hints = typing.get_type_hints(cls)
    arguments = {}
    for name, field in fields.items():
        if name in values:
            value = values[name]
            if dataclasses.is_dataclass(hints[name]):
                value = _build(hints[name], value, f"{where}.{name}")
            elif type(value) not in _ACCEPTED.get(hints[name], (type(value),)):
                raise UserError(f"{where}.{name}: expected {hints[name].__name__}, found {value!r}")
            arguments[name] = value
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise UserError(f"{where}.{name} is missing: {cls.__name__} needs it")
    try:
        return cls(**arguments)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error


def to_json(config: Config) -> str:
    """The configuration as JSON text, readable by `from_json`."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(path: Path) -> Config:
    """Reads the configuration that a run keeps.

    Raises:
      UserError: if the file is not there or is not a configuration of this version.
    """
    if not path.is_file():
        raise UserError(f"{path} is not there: expected the folder of a run of reenact_jax.train")
    return from_config_dict(json.loads(path.read_text()))


def check_same_run(config: Config, path: Path) -> None:
    """Refuses to go on with a run under another configuration of what is learned.

    Args:
      config: the configuration given now.
      path: the configuration that the run keeps; a new run has none yet.

    Raises:
      UserError: names the first key that differs. Paths, cadences, the number of epochs and the
        evaluation may change between two starts of one run.
    """
    if not path.is_file():
        return
    old, new = _learned(from_json(path)), _learned(config)
    for key in new:
        if old[key] != new[key]:
            raise UserError(
                f"{path.parent} holds a run with {key} = {old[key]!r}, found {new[key]!r} now: "
                "give the old value, or another --workdir"
            )


_MAY_CHANGE = {
    "config.face_model.path",
    "config.data.data_dir",
    "config.data.num_threads",
    "config.data.num_workers",
    "config.data.on_damage",
    "config.train.num_epochs",
    "config.train.log_every_steps",
    "config.train.sample_every_steps",
    "config.train.checkpoint_every_steps",
    "config.train.keep_checkpoints",
    # These two trade memory for time.
    "config.train.accumulate_steps",
    "config.train.rematerialise",
    "config.evaluate.batch_size",
}


def _learned(config: Config) -> dict[str, Any]:
    """Flat key -> value of everything that decides what a run learns."""

    def flatten(values: Mapping[str, Any], where: str) -> dict[str, Any]:
        flat = {}
        for key, value in values.items():
            name = f"{where}.{key}"
            flat |= flatten(value, name) if isinstance(value, dict) else {name: value}
        return flat

    flat = flatten(dataclasses.asdict(config), "config")
    # The file may move; trained weights may not become random ones.
    flat["config.loss.vgg_weights"] = (
        "random" if config.loss.vgg_weights == "random" else "trained weights"
    )
    return {key: value for key, value in flat.items() if key not in _MAY_CHANGE}
