"""A source frame and a driving clip in, reenacted frames out."""

from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from tqdm import tqdm

from reenact_jax import media, visual
from reenact_jax.inference.inputs import Clip, load_clip
from reenact_jax.inference.run import TrainedRun

_BATCH_SIZE = 4


def reenact_clip(
    run: TrainedRun,
    source: Clip,
    driving: Clip,
    *,
    transfer_pose: bool = True,
    transfer_expression: bool = True,
) -> Iterator[np.ndarray]:
    """Yields one reenacted frame, uint8 (S, S, 3), per driving frame.

    Args:
      run: the trained model.
      source: its first frame is the source image.
      driving: the motion.
      transfer_pose, transfer_expression: what is taken from the driver.
    """
    num_frames = len(driving.frames)
    source_images = np.repeat(visual.from_uint8(source.frames[:1]), _BATCH_SIZE, axis=0)
    source_parameters = jax.tree.map(
        lambda leaf: np.repeat(np.asarray(leaf[:1]), _BATCH_SIZE, axis=0), source.parameters
    )
    for start in range(0, num_frames, _BATCH_SIZE):
        # The last batch is filled up with the last frame, so that one program serves all.
        rows = np.minimum(np.arange(start, start + _BATCH_SIZE), num_frames - 1)
        pictures, _ = run.reenact(
            source_images,
            source_parameters,
            jax.tree.map(lambda leaf, rows=rows: np.asarray(leaf)[rows], driving.parameters),
            transfer_pose=transfer_pose,
            transfer_expression=transfer_expression,
        )
        yield from visual.to_uint8(pictures)[: num_frames - start]


def write_reenactment(
    run: TrainedRun,
    source_path: Path,
    driving_path: Path,
    out: Path,
    *,
    compare: bool = False,
    transfer_pose: bool = True,
    transfer_expression: bool = True,
    smooth: bool = True,
    on_missing: str = "hold",
    source_face: str | int = "largest",
    driving_face: str | int = "largest",
) -> None:
    """Reenacts files and writes a video with the driver's frame rate.

    Args:
      run: the trained model.
      source_path: picture, video (its first frame with a face counts) or prepared clip.
      driving_path: the same; a picture gives a video of one frame.
      out: MP4 file to write; replaced only when it is complete.
      compare: put source and driving frame beside the result.
      transfer_pose, transfer_expression: what is taken from the driver.
      smooth: remove the jitter of the driver's fit.
      on_missing: frames of the driver without a face, see `load_clip`.
      source_face, driving_face: which face of several, see `load_clip`.

    Raises:
      UserError: see `load_clip`.
    """
    size = run.config.image_size
    source = load_clip(source_path, run.face_model, size, on_missing="skip", face=source_face)
    driving = load_clip(
        driving_path,
        run.face_model,
        size,
        on_missing=on_missing,
        face=driving_face,
        smooth=smooth,
    )
    pictures = reenact_clip(
        run,
        source,
        driving,
        transfer_pose=transfer_pose,
        transfer_expression=transfer_expression,
    )
    with media.VideoWriter(out, driving.fps) as writer:
        progress = tqdm(pictures, total=len(driving.frames), desc="reenact", unit="frame")
        for picture, driver in zip(progress, driving.frames, strict=True):
            if compare:
                picture = np.concatenate([source.frames[0], driver, picture], axis=1)
            writer.write(picture)
