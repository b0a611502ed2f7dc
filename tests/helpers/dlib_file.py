"""A file in dlib's format with random weights, and embeddings that dlib computed with them.

dlib's file names every layer and writes its tensors; the reader looks for nothing else, so a file
with names and tensors alone does. tests/fixtures/dlib_face.npz holds what dlib itself makes of the
same tensors inside a whole file (its published one, with the numbers replaced):

  python -m tests.helpers.dlib_file PUBLISHED.dat        (needs dlib; writes the fixture again)
"""

import re
import sys
import tempfile
from pathlib import Path

import numpy as np

STORED = Path(__file__).parents[1] / "fixtures/dlib_face.npz"
_CHANNELS = [32] * 3 + [64] * 4 + [128] * 3 + [256] * 4


def random_tensors() -> list[tuple[bytes, np.ndarray]]:
    """(layer's name, numbers) in the order of the file."""
    rng = np.random.default_rng(29)
    tensors = []

    def convolution(out: int, inputs: int, side: int) -> None:
        weights = rng.normal(0, (inputs * side * side) ** -0.5, out * inputs * side * side)
        tensors.append((b"con_4", np.concatenate([weights, rng.normal(0, 0.1, out)])))
        scale_offset = [rng.uniform(0.5, 1.5, out), rng.normal(0, 0.1, out)]
        tensors.append((b"affine_", np.concatenate(scale_offset)))

    convolution(32, 3, 7)
    for inputs, out in zip([32, *_CHANNELS], _CHANNELS, strict=False):
        convolution(out, inputs, 3)
        convolution(out, out, 3)
    tensors.append((b"fc_2", rng.normal(0, 0.06, 256 * 128)))
    return [(name, numbers.astype("<f4")) for name, numbers in tensors]


def write_random_file(path: Path) -> None:
    """Names and tensors of `random_tensors`, without what else dlib writes."""
    with path.open("wb") as file:
        for name, numbers in random_tensors():
            file.write(bytes([1, len(name)]) + name)
            if name == b"fc_2":
                file.write(_integer(128) + _integer(256))
            shape = (256, 128, 1, 1) if name == b"fc_2" else (numbers.size, 1, 1, 1)
            file.write(b"".join(_integer(n) for n in (2, *shape)) + numbers.tobytes())


def chips() -> np.ndarray:
    """Three smooth pictures, uint8 (3, 150, 150, 3)."""
    y, x = np.mgrid[:150, :150] / 150
    waves = [
        np.sin(2 * np.pi * (a * x + b * y) + c)
        for a, b, c in np.random.default_rng(1).uniform(-3, 3, (9, 3))
    ]
    pictures = np.stack(waves).reshape(3, 3, 150, 150).transpose(0, 2, 3, 1)
    # dlib takes arrays in C's order alone.
    return np.ascontiguousarray(np.round(127.5 + 127.5 * pictures), np.uint8)


def _integer(number: int) -> bytes:
    length = (number.bit_length() + 7) // 8
    return bytes([length]) + number.to_bytes(length, "little")


def _write_stored(published: Path) -> None:
    import dlib

    content = bytearray(published.read_bytes())
    position = 0
    for name, numbers in random_tensors():
        tag = re.compile(re.escape(bytes([1, len(name)]) + name)).search(content, position)
        position = tag.end()
        for _ in range(7 if name == b"fc_2" else 5):
            position += 1 + (content[position] & 0x0F)
        content[position : position + numbers.nbytes] = numbers.tobytes()
        position += numbers.nbytes
    with tempfile.NamedTemporaryFile(suffix=".dat") as file:
        file.write(content)
        file.flush()
        network = dlib.face_recognition_model_v1(file.name)
    embeddings = [np.asarray(network.compute_face_descriptor(chip)) for chip in chips()]
    np.savez(STORED, embeddings=np.float32(embeddings))


if __name__ == "__main__":
    _write_stored(Path(sys.argv[1]))
