"""The one place that knows the layout of the 257 coefficients and of a Deng crop's five numbers.

Deep3DFaceRecon: identity 80 | expression 64 | texture 80 | angles 3 |
lighting 27 | translation 3. PIRenderer appends three crop numbers (ratio s, t0, t1): 260 a frame.
"""

import dataclasses

import numpy as np

from reenact_jax.face_model.parameters import FaceParameters

IDENTITY = slice(0, 80)
EXPRESSION = slice(80, 144)
TEXTURE = slice(144, 224)
ROTATION = slice(224, 227)
LIGHTING = slice(227, 254)
TRANSLATION = slice(254, 257)
CROP = slice(257, 260)
NUM_COEFFICIENTS = 257
NUM_COEFFICIENTS_WITH_CROP = 260

_SLICES = {
    "identity": IDENTITY,
    "expression": EXPRESSION,
    "texture": TEXTURE,
    "rotation": ROTATION,
    "lighting": LIGHTING,
    "translation": TRANSLATION,
}

_CROP_SIZE = 224
_CROP_FOCAL = 1015.0
_CROP_CENTRE = 112.0


@dataclasses.dataclass(frozen=True)
class DengCrop:
    """How a frame was aligned for the regressor: `trans_params` of Deep3DFaceRecon.

    Attributes:
      width, height: size of the original frame in pixels.
      scale: s, the factor by which the frame was resized.
      t0, t1: image point of the template's origin in the original frame, x right and y UP, pixels.
    """

    width: int
    height: int
    scale: float
    t0: float
    t1: float

    def placement(self) -> tuple[int, int, int, int]:
        """(resized width, resized height, left, up) in pixels; `int` truncates towards zero.

        The truncations are those of the published alignment and must not be "corrected": they
        decide which pixels the regressor saw.
        """
        width = int(self.width * self.scale)
        height = int(self.height * self.scale)
        half = _CROP_SIZE / 2
        left = int(width / 2 - half + (self.t0 - self.width / 2) * self.scale)
        up = int(height / 2 - half + (self.height / 2 - self.t1) * self.scale)
        return width, height, left, up

    def camera(self) -> np.ndarray:
        """The off-centre camera that sees the original frame: (4,) float32, normalised.

        Rendering with it puts the mesh straight into the frame; no 224-pixel picture is warped
        back. The frame must be square, because the normalisation is by one side.
        """
        if self.width != self.height:
            raise ValueError(
                f"expected a square frame, found {self.width} x {self.height}: crop the video first"
            )
        width, height, left, up = self.placement()
        scale_x, scale_y = width / self.width, height / self.height
        pixels = [
            _CROP_FOCAL / scale_x,
            _CROP_FOCAL / scale_y,
            (_CROP_CENTRE + left) / scale_x,
            (_CROP_CENTRE + up) / scale_y,
        ]
        return np.asarray(pixels, np.float32) / np.float32(self.width)


def split_coefficients(coefficients: np.ndarray, camera: np.ndarray) -> FaceParameters:
    """Names the parts of coefficient vectors.

    Args:
      coefficients: (..., 257) float, more trailing numbers (crop) are not allowed here.
      camera: (..., 4) normalised intrinsics of the frame that each vector belongs to.

    Raises:
      ValueError: if the last axis is not 257.
    """
    if coefficients.shape[-1] != NUM_COEFFICIENTS:
        raise ValueError(
            f"expected {NUM_COEFFICIENTS} coefficients on the last axis, "
            f"found {coefficients.shape[-1]}: separate the crop numbers first"
        )
    leaves = {name: coefficients[..., part] for name, part in _SLICES.items()}
    return FaceParameters(**leaves, camera=camera)


def join_coefficients(parameters: FaceParameters) -> np.ndarray:
    """Inverse of `split_coefficients`, the camera left out: (..., 257) float32."""
    batch_shape = np.shape(parameters.rotation)[:-1]
    coefficients = np.empty((*batch_shape, NUM_COEFFICIENTS), np.float32)
    for name, part in _SLICES.items():
        coefficients[..., part] = getattr(parameters, name)
    return coefficients


def parameters_from_cropped_coefficients(
    coefficients: np.ndarray, frame_size: int = 256
) -> FaceParameters:
    """FaceParameters of (N, 260) vectors with crop numbers, for square frames of `frame_size`.

    Raises:
      ValueError: if the array is not (N, 260).
    """
    if coefficients.ndim != 2 or coefficients.shape[-1] != NUM_COEFFICIENTS_WITH_CROP:
        raise ValueError(
            f"expected an array (N, {NUM_COEFFICIENTS_WITH_CROP}) of 257 coefficients and 3 crop "
            f"numbers (s, t0, t1), found {coefficients.shape}"
        )
    crops = coefficients[:, CROP].astype(np.float64)
    cameras = [DengCrop(frame_size, frame_size, *map(float, crop)).camera() for crop in crops]
    camera = np.stack(cameras) if cameras else np.zeros((0, 4), np.float32)
    return split_coefficients(coefficients[:, :NUM_COEFFICIENTS].astype(np.float32), camera)
