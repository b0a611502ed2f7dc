"""Encoded images: bytes to pixels and back, and resizing that does not alias."""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

JPEG_QUALITY = 95

_SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff"}
# What a complete file ends with: PNG's last chunk with its checksum, JPEG's end marker.
_ENDS = {"png": b"IEND\xaeB`\x82", "jpg": b"\xff\xd9"}


def image_format(encoded: bytes) -> str:
    """`png` or `jpg`, by the file's signature.

    Raises:
      ValueError: for anything else.
    """
    for name, signature in _SIGNATURES.items():
        if encoded.startswith(signature):
            return name
    raise ValueError(f"expected PNG or JPEG bytes, found bytes that start with {encoded[:8]!r}")


def image_size(encoded: bytes) -> tuple[int, int]:
    """(height, width) in pixels, read from the header alone.

    Raises:
      ValueError: if the bytes are no PNG or JPEG, or the image is not 8-bit RGB.
    """
    image_format(encoded)
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            mode, (width, height) = image.mode, image.size
    except (UnidentifiedImageError, OSError) as err:
        raise ValueError(f"expected a readable image header: {err}") from err
    if mode != "RGB":
        raise ValueError(f"expected an RGB image, found mode {mode}: convert it first")
    return height, width


def check_complete(encoded: bytes) -> None:
    """Refuses a file that was cut off, without decoding it where its end is in place.

    This costs next to nothing, where decoding a frame of 256 x 256 takes half a millisecond; damage
    in the middle of a file is found when it is decoded.

    Raises:
      ValueError: if the bytes are no PNG or JPEG, or end too early.
    """
    if not encoded.rstrip(b"\0").endswith(_ENDS[image_format(encoded)]):
        decode_image(encoded)  # some programs write more behind the end


def encode_image(pixels: np.ndarray, file_format: str = "png") -> bytes:
    """PNG (lossless) or JPEG (quality 95) bytes of an image (H, W, 3) uint8.

    Raises:
      ValueError: if the array is not (H, W, 3) uint8 or the format is unknown.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] != 3:
        raise ValueError(f"expected uint8 (H, W, 3), found {pixels.dtype} {pixels.shape}")
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if file_format == "png":
        image.save(buffer, "PNG", compress_level=3)
    elif file_format == "jpg":
        image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        raise ValueError(f"expected file_format 'png' or 'jpg', found {file_format!r}")
    return buffer.getvalue()


def decode_image(encoded: bytes) -> np.ndarray:
    """Pixels (H, W, 3) uint8 (read-only) of PNG or JPEG bytes.

    Raises:
      ValueError: if the bytes cannot be decoded, truncated ones included.
    """
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            # `convert` copies even where there is nothing to convert.
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError) as err:
        raise ValueError(f"expected a complete PNG or JPEG image: {err}") from err


def resize_area(pixels: np.ndarray, size: int) -> np.ndarray:
    """A square image (H, H, 3) uint8 at `size` x `size`, antialiased.

    Shrinking by a whole factor averages blocks of pixels; other factors use Pillow's box filter,
    which is the same average with partly covered pixels. Enlarging is bilinear.

    Raises:
      ValueError: if the image is not square: fx and fy of a camera would no longer agree.
    """
    height, width = pixels.shape[:2]
    if height != width:
        raise ValueError(f"expected a square image, found {width} x {height}: crop it first")
    if size == height:
        return pixels
    image = Image.fromarray(pixels)
    if height % size == 0:
        return np.array(image.reduce(height // size))
    filtering = Image.Resampling.BOX if size < height else Image.Resampling.BILINEAR
    return np.array(image.resize((size, size), filtering))
