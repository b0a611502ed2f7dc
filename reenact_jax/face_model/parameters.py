"""FaceParameters: what a fitted morphable model says about one frame, and what is made of it."""

import dataclasses

import jax
import jax.numpy as jnp

from reenact_jax.face_model.view import turn_with_ray

# Distance of the camera from the model's origin, in decimetres, and the camera in which an aligned
# face is seen: 1015 pixels of focal length over a 224-pixel image (Deep3DFaceRecon), as fractions
# of the image's side.
CAMERA_DISTANCE = 10.0
CANONICAL_FOCAL = 1015.0 / 224.0
CANONICAL_CAMERA = (CANONICAL_FOCAL, CANONICAL_FOCAL, 0.5, 0.5)

NUM_LIGHTING = 27
# Angles and translation in the motion descriptor.
NUM_POSE = 6


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FaceParameters:
    """Parameters of one face, or of a batch of them (any common leading shape `...`).

    The widths I, E, T are those of the face model; every model runs through the same code.

    Attributes:
      identity: float32 (..., I), alpha, in standard deviations.
      expression: float32 (..., E), beta, in standard deviations (BFM) or weights (blendshapes).
      texture: float32 (..., T), delta, in standard deviations.
      lighting: float32 (..., 27), gamma: 9 spherical-harmonics bands for R, then G, then B.
      rotation: float32 (..., 3), Euler angles (pitch, yaw, roll) in radians, see `rotation`.
      translation: float32 (..., 3), decimetres, in the y-up frame in front of the camera.
      camera: float32 (..., 4), intrinsics (fx, fy, cx, cy) divided by the side of the (square)
        image, so that they hold at every resolution of that image.
    """

    identity: jax.Array
    expression: jax.Array
    texture: jax.Array
    lighting: jax.Array
    rotation: jax.Array
    translation: jax.Array
    camera: jax.Array

    def __getitem__(self, index) -> "FaceParameters":
        """Indexes the leading (batch) axes of every leaf."""
        return jax.tree.map(lambda leaf: leaf[index], self)

    def replace(self, **leaves: jax.Array) -> "FaceParameters":
        """A copy with some leaves exchanged."""
        return dataclasses.replace(self, **leaves)


FIELDS = tuple(field.name for field in dataclasses.fields(FaceParameters))


def recombine(
    source: FaceParameters,
    driving: FaceParameters,
    *,
    transfer_pose: bool = True,
    transfer_expression: bool = True,
) -> FaceParameters:
    """v_t = (alpha_s, beta_d, delta_s, gamma_s, p_d): the source's person in the driver's motion.

    The pose goes together with the camera that it was fitted in. With one of the two switches off
    the source keeps its own pose or its own expression (the paper's disentangled reenactment).

    Args:
      source: parameters of the source frame, leaves (..., K).
      driving: parameters of the driving frame, of the same face model and leading shape.
      transfer_pose: take rotation, translation and camera from the driver.
      transfer_expression: take the expression from the driver.

    Returns:
      The target's parameters.
    """
    target = source
    if transfer_expression:
        target = target.replace(expression=driving.expression)
    if transfer_pose:
        target = target.replace(
            rotation=driving.rotation, translation=driving.translation, camera=driving.camera
        )
    return target


def fixed_camera_translation(translation: jax.Array, camera: jax.Array) -> jax.Array:
    """Re-expresses a translation, fitted in any crop camera, in the frame's own fixed camera.

    The model's origin keeps its place in the image and the face keeps its size. Aligned crops
    (Deep3DFaceRecon's) put the motion inside the frame into the crop camera alone; this brings it
    back into the translation, so that the same frame cropped two ways says the same.

    Args:
      translation: (..., 3) decimetres.
      camera: (..., 4) the normalised intrinsics that the translation was fitted with.

    Returns:
      (..., 3) decimetres, for the camera `CANONICAL_CAMERA`.
    """
    depth = CAMERA_DISTANCE - translation[..., 2]
    fx, fy, cx, cy = jnp.moveaxis(camera, -1, 0)
    fixed_depth = depth * CANONICAL_FOCAL / (0.5 * (fx + fy))
    x = (cx + fx * translation[..., 0] / depth - 0.5) * fixed_depth / CANONICAL_FOCAL
    y_down = (cy - fy * translation[..., 1] / depth - 0.5) * fixed_depth / CANONICAL_FOCAL
    return jnp.stack([x, -y_down, CAMERA_DISTANCE - fixed_depth], axis=-1)


def motion_descriptor(parameters: FaceParameters) -> jax.Array:
    """v~ = (beta, p) (Eq. 5): expression, and the pose in the fixed camera: (..., E + 6).

    The pose is angles, then translation. Both are re-expressed: an off-centre camera looks at the
    head along another ray than the fixed one, and the fit turns the head with it.
    """
    translation = fixed_camera_translation(parameters.translation, parameters.camera)
    rotation = turn_with_ray(
        parameters.rotation, _from_camera(parameters.translation), _from_camera(translation)
    )
    return jnp.concatenate([parameters.expression, rotation, translation], axis=-1)


def _from_camera(translation: jax.Array) -> jax.Array:
    """The model's origin as seen from the camera, y up: (..., 3)."""
    x, y, z = jnp.moveaxis(translation, -1, 0)
    return jnp.stack([x, y, z - CAMERA_DISTANCE], axis=-1)
