"""Small clips whose pixels and parameters say which frame they are."""

import numpy as np

from reenact_jax.data import prepared
from reenact_jax.data.info import FaceModelInfo
from reenact_jax.face_model.parameters import FaceParameters

MODEL = FaceModelInfo(name="toy", fingerprint="0123", identity=3, expression=2, texture=0)
IMAGE_SIZE = 32
# clip id -> (person, split, number of frames); the ids are not in the order of the splits.
CLIPS = {
    "anna#v1#000001": ("anna", "train", 5),
    "anna#v2#000001": ("anna", "train", 2),
    "bert#v1#000001": ("bert", "test", 4),
    "carl#v1#000001": ("carl", "train", 9),
    "dora#v1#000001": ("dora", "test", 3),
    "emil#v1#000001": ("emil", "train", 3),
}


def frame_pixels(clip_id: str, index: int) -> np.ndarray:
    """A flat colour that no other frame of the dataset has."""
    colour = (40 * list(CLIPS).index(clip_id) + 10, 20 * index + 5, 77)
    return np.broadcast_to(np.uint8(colour), (IMAGE_SIZE, IMAGE_SIZE, 3)).copy()


def frame_parameters(clip_id: str, num_frames: int) -> FaceParameters:
    """Leaf k of frame i of clip c is c + i / 100 + k / 1000."""
    number = list(CLIPS).index(clip_id)
    frames = np.arange(num_frames, dtype=np.float32)[:, None] / 100
    return FaceParameters(
        **{
            name: np.float32(number) + frames + np.arange(width, dtype=np.float32) / 1000
            for name, width in MODEL.field_widths.items()
        }
    )


def write_prepared(root, image_size=IMAGE_SIZE, clips=CLIPS) -> None:
    prepared.write_dataset_info(
        root, name="toy", image_size=image_size, face_model=MODEL, specification="spec"
    )
    for clip_id, (person, split, num_frames) in clips.items():
        clip = prepared.PreparedClip(
            clip_id=clip_id,
            person_id=person,
            split=split,
            fps=25,
            frames=[frame_pixels(clip_id, i) for i in range(num_frames)],
            parameters=frame_parameters(clip_id, num_frames),
        )
        prepared.write_clip(root, clip)
