"""Frames and five points -> the coefficients of Deng's regressor, and FaceParameters.

The regressor's weights are not part of the project (docs/deng_reconstruction.md); its coefficients
belong to the Basel Face Model of `face_model.bfm`.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import jax
import numpy as np

from reenact_jax.face_model.coefficients import DengCrop, split_coefficients
from reenact_jax.face_model.morphable import MorphableModel, project, to_camera
from reenact_jax.face_model.parameters import CANONICAL_CAMERA, FaceParameters
from reenact_jax.pretrained.rnet import rnet_coefficients
from reenact_jax.tracking.alignment import (
    CROP_SIZE,
    AlignmentError,
    align,
    crop_aligned,
    five_points,
)

_regress = jax.jit(rnet_coefficients)


@dataclasses.dataclass(frozen=True)
class DengFrames:
    """What the regressor says about N frames.

    Attributes:
      coefficients: float32 (N, 257), see `face_model.coefficients`.
      transforms: float64 (N, 5), (W, H, s, t0, t1) of each frame's alignment. Not float32: the
        placement truncates, and must truncate alike when it is computed again.
      crops: uint8 (N, 224, 224, 3), what the regressor saw.
    """

    coefficients: np.ndarray
    transforms: np.ndarray
    crops: np.ndarray

    def parameters(self) -> FaceParameters:
        """Leaves (N, K); the camera sees the (square) frame, not the crop.

        Raises:
          ValueError: if the frames are not square.
        """
        cameras = [crop_of_transform(row).camera() for row in self.transforms]
        camera = np.stack(cameras) if cameras else np.zeros((0, 4), np.float32)
        return split_coefficients(self.coefficients, camera)


def crop_of_transform(row: np.ndarray) -> DengCrop:
    """`transform_params` (W, H, s, t0, t1) as a DengCrop."""
    width, height, scale, t0, t1 = map(float, row)
    return DengCrop(int(width), int(height), scale, t0, t1)


def reconstruct_frames(
    frames: Iterable[np.ndarray],
    points: np.ndarray,
    params: dict,
    *,
    batch_size: int = 16,
    frame_indices: Sequence[int] | None = None,
) -> DengFrames:
    """Aligns, crops and regresses frames of any size, one face in each.

    Args:
      frames: N pictures uint8 (H, W, 3), taken one by one.
      points: (N, L, 2) landmarks in pixels of the frames, edge coordinates; L = 5, 68, 468 or 478.
      params: as of `pretrained.rnet.load_rnet`.
      batch_size: crops a call of the network; the last batch is filled up, so that there is one
        compiled program.
      frame_indices: how messages call the frames; None counts from 0.

    Raises:
      AlignmentError: if landmarks cannot be those of a face in their frame; names the frame.
      ValueError: if there are not as many landmarks as frames.
    """
    five = five_points(points)
    crops, transforms = [], []
    indices = range(len(five)) if frame_indices is None else frame_indices
    for frame, landmarks, index in zip(frames, five, indices, strict=True):
        try:
            crop = align(landmarks, *frame.shape[:2])
        except AlignmentError as err:
            raise AlignmentError(f"frame {index}: {err}") from err
        crops.append(crop_aligned(frame, crop))
        transforms.append(dataclasses.astuple(crop))
    crops = np.stack(crops) if crops else np.zeros((0, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    transforms = np.asarray(transforms, np.float64).reshape(-1, 5)
    return DengFrames(regress(params, crops, batch_size=batch_size), transforms, crops)


def regress(params: dict, crops: np.ndarray, *, batch_size: int) -> np.ndarray:
    """Coefficients (N, 257) of crops (N, 224, 224, 3), in batches of one size."""
    coefficients = np.empty((len(crops), 257), np.float32)
    batch = np.zeros((batch_size, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    for start in range(0, len(crops), batch_size):
        part = crops[start : start + batch_size]
        batch[: len(part)] = part
        coefficients[start : start + len(part)] = _regress(params, batch)[: len(part)]
    return coefficients


def crop_positions(points: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """Points (N, L, 2) of the frames -> in their crops, edge coordinates."""
    moved = np.empty(np.shape(points))
    for k, row in enumerate(transforms):
        crop = crop_of_transform(row)
        width, height, left, up = crop.placement()
        moved[k] = points[k] * [width / crop.width, height / crop.height] - [left, up]
    return moved


def crop_parameters(coefficients: np.ndarray) -> FaceParameters:
    """FaceParameters whose camera sees the 224 crop: the canonical one."""
    camera = np.broadcast_to(np.float32(CANONICAL_CAMERA), (*coefficients.shape[:-1], 4))
    return split_coefficients(coefficients, camera)


def landmark_error_px(
    model: MorphableModel, coefficients: np.ndarray, transforms: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """How far the reconstructed face is from the points it was aligned by.

    Args:
      model: the Basel Face Model.
      coefficients: (N, 257).
      transforms: (N, 5).
      points: (N, 5, 2) pixels of the frames.

    Returns:
      (N,) mean distance of the five points in pixels of the 224 crop.
    """
    parameters = crop_parameters(coefficients)
    vertices = np.asarray(model.landmarks68)
    face = (
        np.asarray(model.mean)[vertices]
        + np.tensordot(parameters.identity, np.asarray(model.identity_basis)[:, vertices], 1)
        + np.tensordot(parameters.expression, np.asarray(model.expression_basis)[:, vertices], 1)
    )
    placed = jax.vmap(to_camera)(face, parameters.rotation, parameters.translation)
    seen = CROP_SIZE * np.asarray(jax.vmap(project)(placed, parameters.camera))
    distances = np.linalg.norm(five_points(seen) - crop_positions(points, transforms), axis=-1)
    return distances.mean(axis=-1)
