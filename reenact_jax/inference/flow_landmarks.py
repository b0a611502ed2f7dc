"""Does F_c carry a real face to where the driver's is? Landmarks answer, without any network."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax import image_ops, visual
from reenact_jax.data import images, prepared
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import recombine
from reenact_jax.guidance import GuidanceConfig, compute_guidance
from reenact_jax.tracking.anchors import NUM_DENSE
from reenact_jax.tracking.landmarks import FaceLandmarker


@dataclasses.dataclass(frozen=True)
class FlowLandmarks:
    """Mean distances in pixels between landmarks, one entry per pair of frames.

    Attributes:
      before: source frame against driving frame.
      after: source frame warped by F_c against driving frame.
      missing: pairs in which the tracker found no face in one of the three pictures.
    """

    before: np.ndarray
    after: np.ndarray
    missing: int


def measure_clip(
    root: str,
    clip_id: str,
    face_model: MorphableModel,
    landmarker: FaceLandmarker,
    *,
    num_pairs: int,
) -> FlowLandmarks:
    """Warps frames of a prepared clip onto later and earlier ones and finds the landmarks again.

    Args:
      root: prepared folder.
      clip_id: clip in it.
      face_model: the model of its parameters.
      landmarker: MediaPipe's landmarks.
      num_pairs: pairs of frames half a clip apart, spread over the clip.
    """
    clip = prepared.read_clip(root, clip_id)
    num_frames = len(clip.frames)
    warp = jax.jit(_warped, static_argnums=4)
    before, after, missing = [], [], 0
    for source in np.linspace(0, num_frames - 1, num_pairs).round().astype(int):
        driving = (source + num_frames // 2) % num_frames
        pictures = [images.decode_image(clip.frames[i]) for i in (source, driving)]
        parameters = [clip.parameters[i] for i in (source, driving)]
        warped = warp(face_model, *parameters, visual.from_uint8(pictures[0]), GuidanceConfig())
        faces = [landmarker.detect(p) for p in (*pictures, visual.to_uint8(warped))]
        if any(face is None for face in faces):
            missing += 1
            continue
        points = [face.points[:NUM_DENSE] for face in faces]
        before.append(np.linalg.norm(points[0] - points[1], axis=-1).mean())
        after.append(np.linalg.norm(points[2] - points[1], axis=-1).mean())
    return FlowLandmarks(np.asarray(before), np.asarray(after), missing)


def _warped(face_model, source, driving, image, config) -> jax.Array:
    target = compute_guidance(face_model, source, recombine(source, driving), image, config)
    own = compute_guidance(face_model, source, source, image, config)
    # F_c moves the face and leaves its original standing; a grey patch there keeps the tracker from
    # finding the wrong one of two faces.
    background = jnp.where(own.mask > 0, 0.0, image)
    return jnp.where(target.mask > 0, image_ops.warp(image, target.flow), background)
