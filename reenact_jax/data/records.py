"""What a packed record holds, and how prepared clips and pairs become records."""

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from reenact_jax.data import prepared
from reenact_jax.data.info import DatasetInfo
from reenact_jax.face_model.parameters import FIELDS, FaceParameters

# The two configs of every dataset, and the version of the record layout.
FRAMES = "frames"
PAIRS = "pairs"
VERSION = "1.0.0"


def frame_features(info: DatasetInfo) -> tfds.features.FeaturesDict:
    """One frame: image, parameters, and where it comes from."""
    return tfds.features.FeaturesDict(
        {
            "image": _image(info),
            **_parameters(info),
            "clip_id": tfds.features.Text(),
            "person_id": tfds.features.Text(),
            "frame_index": tfds.features.Scalar(np.int32),
        }
    )


def pair_features(info: DatasetInfo) -> tfds.features.FeaturesDict:
    """One evaluation pair, complete in itself."""
    features = {
        "pair_id": tfds.features.Text(),
        "kind": tfds.features.Text(),
        "target_image": _image(info),
        "has_target": tfds.features.Scalar(np.bool_),
    }
    for role in ("source", "driving"):
        features |= {
            f"{role}_image": _image(info),
            **{f"{role}_{name}": feature for name, feature in _parameters(info).items()},
            f"{role}_clip_id": tfds.features.Text(),
            f"{role}_frame_index": tfds.features.Scalar(np.int32),
        }
    return tfds.features.FeaturesDict(features)


def _image(info: DatasetInfo) -> tfds.features.Image:
    return tfds.features.Image(shape=(info.image_size, info.image_size, 3))


def _parameters(info: DatasetInfo) -> dict[str, tfds.features.Tensor]:
    return {
        name: tfds.features.Tensor(shape=(width,), dtype=np.float32)
        for name, width in info.face_model.field_widths.items()
    }


@dataclasses.dataclass(frozen=True)
class FrameShard:
    """Makes the records of some whole clips. A class, so that it can be sent to other processes."""

    root: Path
    clip_ids: tuple[str, ...]
    num_records: int

    def __call__(self) -> Iterator[tuple[str, dict]]:
        for clip_id in self.clip_ids:
            clip = prepared.read_clip(self.root, clip_id)
            for i, frame in enumerate(clip.frames):
                yield (
                    f"{clip_id}/{i:06d}",
                    {
                        "image": io.BytesIO(frame),
                        **_leaves(clip.parameters[i]),
                        "clip_id": clip.clip_id,
                        "person_id": clip.person_id,
                        "frame_index": np.int32(i),
                    },
                )


@dataclasses.dataclass(frozen=True)
class PairShard:
    """Makes the records of some evaluation pairs."""

    root: Path
    pairs: tuple[prepared.PreparedPair, ...]
    black: bytes

    @property
    def num_records(self) -> int:
        return len(self.pairs)

    def __call__(self) -> Iterator[tuple[str, dict]]:
        for pair in self.pairs:
            example = {"pair_id": pair.pair_id, "kind": pair.kind}
            for role, (clip_id, i) in (("source", pair.source), ("driving", pair.driving)):
                frame, parameters = prepared.read_frame(self.root, clip_id, i)
                example |= {
                    f"{role}_image": io.BytesIO(frame),
                    **_leaves(parameters, f"{role}_"),
                    f"{role}_clip_id": clip_id,
                    f"{role}_frame_index": np.int32(i),
                }
            target = pair.target
            if target is None and pair.kind == "self":
                target = frame  # the driving frame, read last
            example["has_target"] = np.bool_(target is not None)
            example["target_image"] = io.BytesIO(self.black if target is None else target)
            yield pair.pair_id, example


def _leaves(parameters: FaceParameters, prefix: str = "") -> dict[str, np.ndarray]:
    return {prefix + name: getattr(parameters, name) for name in FIELDS}
