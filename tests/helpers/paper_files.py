"""Files of the paper's own formats with made-up content, small or full-sized as documented.

Nothing here comes from the real files: shapes are formulas, colours are formulas, and the random
parts have fixed seeds. Geometry and projection are plain NumPy, apart from the code under test.
"""

import dataclasses
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image
from safetensors.numpy import save_file

NUM_VERTICES = 35_709
NUM_TRIANGLES = 70_789
OUTER_RIM = 551
MOUTH_RIM = 78

_FOCAL, _CENTRE, _CAMERA_DISTANCE = 1015.0, 112.0, 10.0


def ring_sizes() -> np.ndarray:
    """Vertices on each loop from the mouth opening to the outer rim, 35,709 in all.

    Strips of triangles between loops of a and b vertices have a + b triangles, so any such list
    gives 2 V - 78 - 551 = 70,789 triangles: the Euler characteristic 0 of the real mesh.
    """
    count = round(2 * NUM_VERTICES / (OUTER_RIM + MOUTH_RIM))
    sizes = np.round(np.linspace(MOUTH_RIM, OUTER_RIM, count)).astype(int)
    missing = NUM_VERTICES - sizes.sum()
    inner = np.linspace(1, count - 2, abs(missing)).round().astype(int)
    np.add.at(sizes, inner, np.sign(missing))
    return sizes


def ring_triangles(sizes: np.ndarray) -> np.ndarray:
    """(F, 3) triangles between consecutive loops, counter-clockwise seen from the front."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    triangles = []
    for ring in range(len(sizes) - 1):
        inner, outer = sizes[ring], sizes[ring + 1]
        # Walk around both loops at once, always advancing on the one that is behind.
        steps = np.concatenate([(np.arange(inner) + 1) / inner, (np.arange(outer) + 1) / outer])
        on_inner = np.concatenate([np.ones(inner, bool), np.zeros(outer, bool)])
        order = np.argsort(steps, kind="stable")
        on_inner = on_inner[order]
        i = np.concatenate([[0], np.cumsum(on_inner)[:-1]])
        o = np.concatenate([[0], np.cumsum(~on_inner)[:-1]])
        a = starts[ring] + i % inner
        b = starts[ring + 1] + o % outer
        third = np.where(
            on_inner, starts[ring] + (i + 1) % inner, starts[ring + 1] + (o + 1) % outer
        )
        triangles.append(np.stack([a, b, third], axis=-1))
    return np.concatenate(triangles)


def face_surface() -> tuple[np.ndarray, np.ndarray]:
    """Mean vertices (V, 3) in decimetres and (V, 2) = (distance from the mouth 0..1, angle)."""
    sizes = ring_sizes()
    ring = np.repeat(np.arange(len(sizes)), sizes) / (len(sizes) - 1)
    within = np.arange(len(ring)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    angle = 2 * np.pi * within / np.repeat(sizes, sizes)
    # From the mouth's ellipse to the outline of the face; the centre moves up on the way.
    width = 0.24 + (0.72 - 0.24) * ring
    height = 0.012 + (0.95 - 0.012) * ring
    x = width * np.cos(angle)
    y = -0.38 * (1 - ring) - 0.02 * ring + height * np.sin(angle)
    z = 0.75 * np.sqrt(np.clip(1 - (x / 0.9) ** 2 - (y / 1.25) ** 2, 0.02, None)) - 0.35
    nose = np.exp(-((x / 0.10) ** 2)) * np.exp(-(((y + 0.05) / 0.13) ** 2))
    bridge = np.exp(-((x / 0.07) ** 2)) * np.exp(-(((y - 0.12) / 0.17) ** 2))
    sockets = np.exp(-(((np.abs(x) - 0.31) / 0.14) ** 2) - ((y - 0.29) / 0.10) ** 2)
    z = z + 0.28 * nose + 0.12 * bridge - 0.08 * sockets
    return np.stack([x, y, z], axis=-1), np.stack([ring, angle], axis=-1)


def face_colours(vertices: np.ndarray) -> np.ndarray:
    """(V, 3) colours from 0 to 255: skin with lips, eyes and brows."""
    x, y = vertices[:, 0], vertices[:, 1]
    colours = np.tile([205.0, 150.0, 125.0], (len(x), 1))
    lips = np.exp(-((x / 0.27) ** 4) - ((y + 0.38) / 0.085) ** 4)
    eyes = np.exp(-(((np.abs(x) - 0.31) / 0.10) ** 4) - ((y - 0.29) / 0.045) ** 4)
    iris = np.exp(-(((np.abs(x) - 0.31) / 0.045) ** 4) - ((y - 0.29) / 0.045) ** 4)
    brows = np.exp(-(((np.abs(x) - 0.31) / 0.15) ** 4) - ((y - 0.45) / 0.028) ** 4)
    for mask, colour in (
        (lips, (165, 70, 75)),
        (eyes, (235, 235, 235)),
        (iris, (60, 45, 30)),
        (brows, (70, 45, 30)),
    ):
        colours += mask[:, None] * (np.array(colour) - colours)
    return colours


def smooth_modes(vertices: np.ndarray, count: int, scale: float, seed: int) -> np.ndarray:
    """(3 V, count) random smooth displacements, sizes falling with their number."""
    rng = np.random.default_rng(seed)
    frequencies = rng.normal(0, 2.5, (3, count)).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
    waves = np.cos(vertices.astype(np.float32) @ frequencies + phases)
    directions = rng.normal(size=(3, count)).astype(np.float32)
    sizes = scale / np.sqrt(1 + np.arange(count, dtype=np.float32))
    return (waves[:, None] * directions * sizes).reshape(-1, count).astype(np.float32)


def expression_modes(vertices: np.ndarray) -> np.ndarray:
    """(3 V, 64): the first opens the mouth and the second closes the eyes, the rest is smooth."""
    modes = smooth_modes(vertices, 64, 0.006, seed=2)
    x, y = vertices[:, 0], vertices[:, 1]
    jaw = np.zeros_like(vertices)
    jaw[:, 1] = -0.10 / (1 + np.exp(40 * (y + 0.38))) * np.exp(-((x / 0.6) ** 2))
    modes[:, 0] = jaw.reshape(-1)
    lids = np.zeros_like(vertices)
    lids[:, 1] = -0.02 * np.exp(-(((np.abs(x) - 0.31) / 0.12) ** 2) - ((y - 0.32) / 0.05) ** 2)
    modes[:, 1] = lids.reshape(-1)
    return modes


def landmark_vertices(vertices: np.ndarray) -> np.ndarray:
    """(68,) vertices (from 0) nearest to a drawn iBUG face."""
    side = np.linspace(-1, 1, 17)
    jaw = np.stack([0.68 * np.sin(side * 1.45), 0.12 - 1.0 * np.cos(side * 1.45)], -1)
    brow = np.stack([np.linspace(-0.46, -0.16, 5), 0.45 + 0.03 * np.sin(np.linspace(0, 3, 5))], -1)
    bridge = np.stack([np.zeros(4), np.linspace(0.27, -0.04, 4)], -1)
    nostrils = np.stack([np.linspace(-0.12, 0.12, 5), np.full(5, -0.14)], -1)
    turn = np.linspace(np.pi, -np.pi, 7)[:6]
    eye = np.stack([-0.31 + 0.10 * np.cos(turn), 0.29 + 0.045 * np.sin(turn)], -1)
    lip = np.linspace(np.pi, -np.pi, 13)[:12]
    outer = np.stack([0.27 * np.cos(lip), -0.38 + 0.08 * np.sin(lip)], -1)
    lip = np.linspace(np.pi, -np.pi, 9)[:8]
    inner = np.stack([0.23 * np.cos(lip), -0.38 + 0.015 * np.sin(lip)], -1)
    mirror = np.array([-1.0, 1.0])
    other_eye = (eye * mirror)[[3, 2, 1, 0, 5, 4]]
    points = np.concatenate(
        [jaw, brow, (brow * mirror)[::-1], bridge, nostrils, eye, other_eye, outer, inner]
    )
    distances = ((vertices[None, :, :2] - points[:, None]) ** 2).sum(-1)
    return distances.argmin(axis=1)


def incident_triangles(triangles: np.ndarray) -> np.ndarray:
    """(V, 8) triangles (from 1) of each vertex, filled up with F + 1."""
    corners = triangles.reshape(-1)
    order = np.argsort(corners, kind="stable")
    sorted_corners = corners[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_corners, sorted_corners)
    if rank.max() >= 8:
        raise ValueError(f"expected at most 8 triangles a vertex, found {rank.max() + 1}")
    table = np.full((NUM_VERTICES, 8), len(triangles) + 1)
    table[sorted_corners, rank] = order // 3 + 1
    return table


def write_synthetic_bfm_front(path: str | Path) -> Path:
    """A file with every key, shape and index base of `BFM_model_front.mat` (about 100 MB)."""
    vertices, _ = face_surface()
    triangles = ring_triangles(ring_sizes())
    inner = np.flatnonzero(np.argsort(np.argsort((vertices[:, :2] ** 2).sum(-1))) < 27_660)
    local = np.full(NUM_VERTICES, -1)
    local[inner] = np.arange(len(inner))
    inner_triangles = local[triangles][(local[triangles] >= 0).all(axis=1)] + 1
    # The mean is stored off centre: readers recentre it.
    shape = (vertices + np.array([0.01, -0.02, 0.30])).astype(np.float32)
    arrays = {
        "meanshape": shape.reshape(1, -1),
        "idBase": smooth_modes(vertices, 80, 0.012, seed=1),
        "exBase": expression_modes(vertices),
        "meantex": face_colours(vertices).astype(np.float32).reshape(1, -1),
        "texBase": smooth_modes(vertices, 80, 4.0, seed=3),
        "tri": (triangles + 1).astype(np.int32),
        "point_buf": incident_triangles(triangles).astype(np.int32),
        "keypoints": (landmark_vertices(vertices) + 1).astype(np.int32).reshape(1, -1),
        "frontmask2_idx": (inner + 1).astype(np.int32).reshape(-1, 1),
        # The real file has 54,681 rows; how many fall inside depends on the mesh.
        "tri_mask2": np.resize(inner_triangles, (54_681, 3)).astype(np.int32),
        "skinmask": (np.abs(vertices[:, 0]) < 0.25).astype(np.uint8).reshape(1, -1),
    }
    scipy.io.savemat(path, arrays)
    return Path(path)


def reference_vertices(file: dict, coefficients: np.ndarray) -> np.ndarray:
    """Posed vertices (V, 3) in the y-up world frame of one 257-vector, straight from the file.

    S = meanshape (recentred) + idBase alpha + exBase beta; V = S R^T + t with R = Rz Ry Rx.
    """
    mean = np.asarray(file["meanshape"], np.float64).reshape(-1, 3)
    offset = file["idBase"] @ coefficients[:80] + file["exBase"] @ coefficients[80:144]
    shape = mean - mean.mean(axis=0) + offset.reshape(-1, 3)
    x, y, z = coefficients[224:227]
    rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return shape @ (rz @ ry @ rx).T + coefficients[254:257]


def reference_crop_pixels(world: np.ndarray) -> np.ndarray:
    """(V, 2) edge coordinates in the 224 crop: u right, v down."""
    depth = _CAMERA_DISTANCE - world[:, 2]
    u = _CENTRE + _FOCAL * world[:, 0] / depth
    v = _CENTRE - _FOCAL * world[:, 1] / depth
    return np.stack([u, v], axis=-1)


def reference_frame_pixels(crop_pixels: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """The same points in the original frame; `transform` is (W, H, s, t0, t1)."""
    width, height, scale, t0, t1 = (float(value) for value in transform)
    resized_width, resized_height = int(width * scale), int(height * scale)
    left = int(resized_width / 2 - 112 + (t0 - width / 2) * scale)
    up = int(resized_height / 2 - 112 + (height / 2 - t1) * scale)
    scales = np.array([resized_width / width, resized_height / height])
    return (crop_pixels + np.array([left, up])) / scales


def random_coefficients(num_frames: int, seed: int) -> np.ndarray:
    """(N, 257) float32: one person, smooth motion, a light near the neutral one."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, num_frames)[:, None]

    def motion(width: int, size: float) -> np.ndarray:
        speed, phase = rng.uniform(2, 9, width), rng.uniform(0, 6, width)
        return size * np.sin(speed * time + phase)

    coefficients = np.zeros((num_frames, 257))
    coefficients[:, :80] = 0.7 * rng.normal(size=80)
    coefficients[:, 80:144] = motion(64, 0.5)
    coefficients[:, 80] = 1.5 * (1 + np.sin(9 * time[:, 0]))
    coefficients[:, 144:224] = 0.7 * rng.normal(size=80)
    coefficients[:, 224:227] = motion(3, 1.0) * np.array([0.15, 0.45, 0.1])
    coefficients[:, 227:254] = 0.05 * rng.normal(size=27)
    coefficients[:, 227:254:9] += 0.25
    coefficients[:, 254:257] = motion(3, 0.03) + np.array([0.0, 0.0, 0.45])
    return coefficients.astype(np.float32)


def random_transforms(num_frames: int, seed: int, frame_size: int = 256) -> np.ndarray:
    """(N, 5) `transform_params`: W, H, s, t0, t1 (t1 upwards) of a face that drifts."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, num_frames)
    phase = rng.uniform(0, 6, 3)
    transforms = np.empty((num_frames, 5))
    transforms[:, :2] = frame_size
    transforms[:, 2] = (1.05 + 0.04 * np.sin(5 * time + phase[0])) * 256 / frame_size
    transforms[:, 3] = frame_size * (0.5 + 0.04 * np.sin(4 * time + phase[1]))
    transforms[:, 4] = frame_size * (0.5 + 0.03 * np.sin(6 * time + phase[2]))
    return transforms


def paint_frame(
    file: dict, coefficients: np.ndarray, transform: np.ndarray, background: np.ndarray
) -> np.ndarray:
    """The face as coloured points over a background (S, S, 3) uint8: what a frame would show."""
    world = reference_vertices(file, coefficients)
    pixels = reference_frame_pixels(reference_crop_pixels(world), transform)
    colours = file["meantex"].reshape(-1, 3) + (file["texBase"] @ coefficients[144:224]).reshape(
        -1, 3
    )
    light = 0.886 * (0.8 + coefficients[[227, 236, 245]])
    colours = np.clip(colours * light, 0, 255).astype(np.uint8)
    image = background.copy()
    size = len(image)
    # Far points first, so that near ones stay; two by two pixels leave no holes.
    order = np.argsort(world[:, 2])
    for dx in (0, 1):
        for dy in (0, 1):
            column = np.floor(pixels[order, 0] - 0.5 + dx).astype(int)
            row = np.floor(pixels[order, 1] - 0.5 + dy).astype(int)
            inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
            image[row[inside], column[inside]] = colours[order][inside]
    return image


def random_background(size: int, seed: int) -> np.ndarray:
    """(S, S, 3) uint8, a smooth random texture."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), np.uint8)
    return np.array(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


@dataclasses.dataclass(frozen=True)
class SyntheticVoxceleb:
    """Where the files are.

    Attributes:
      videos: FOMM-style folder with train/ and test/.
      coefficients: folder of `<clip>.mat`.
      clips: clip name -> (split, number of frames).
    """

    videos: Path
    coefficients: Path
    clips: dict[str, tuple[str, int]]


CLIPS = {
    "id10010#Fi21gDronE4#001686#002204": "train",
    "id10011#aaaaaaaaaaA#000001#000065": "train",
    "id10012#bbbbbbbbbbB#000100#000200": "train",
    "id10283#cccccccccccC#000001#000090": "test",
    "id10291#ddddddddddD#000050#000150": "test",
}


def write_synthetic_voxceleb(
    root: str | Path,
    bfm_path: str | Path,
    *,
    clips: dict[str, str] = CLIPS,
    num_frames: int = 4,
    frame_size: int = 256,
    as_video: tuple[str, ...] = (),
) -> SyntheticVoxceleb:
    """A VoxCeleb-shaped folder and its coefficient files.

    Args:
      root: folder to fill: `videos/{train,test}/<clip>` and `coefficients/<clip>.mat`, the latter
        with `coeff` (N, 257) and `transform_params` (N, 5).
      bfm_path: file of `write_synthetic_bfm_front`; the frames show this face.
      clips: clip name -> split folder (an empty name: no split folder).
      num_frames: frames a clip.
      frame_size: side of the frames.
      as_video: clips to write as .mp4 instead of a folder of PNG files.
    """
    root = Path(root)
    file = scipy.io.loadmat(bfm_path)
    (root / "coefficients").mkdir(parents=True, exist_ok=True)
    for number, (clip, split) in enumerate(clips.items()):
        coefficients = random_coefficients(num_frames, seed=number)
        transforms = random_transforms(num_frames, number, frame_size)
        background = random_background(frame_size, number)
        frames = [
            paint_frame(file, *frame, background)
            for frame in zip(coefficients, transforms, strict=True)
        ]
        folder = root / "videos" / split
        folder.mkdir(parents=True, exist_ok=True)
        if clip in as_video:
            _write_video(folder / f"{clip}.mp4", frames)
        else:
            (folder / clip).mkdir(exist_ok=True)
            for i, frame in enumerate(frames):
                Image.fromarray(frame).save(folder / clip / f"{i:07d}.png")
        scipy.io.savemat(
            root / "coefficients" / f"{clip}.mat",
            {"coeff": coefficients, "transform_params": transforms},
        )
    return SyntheticVoxceleb(
        root / "videos",
        root / "coefficients",
        {clip: (split, num_frames) for clip, split in clips.items()},
    )


def _write_video(path: Path, frames: list[np.ndarray]) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "12"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


# torchvision's VGG-19: channels of the convolutions, M = max pooling.
_VGG19 = (64, 64, "M", 128, 128, "M", *(256,) * 4, "M", *(512,) * 4, "M", *(512,) * 4, "M")


def write_synthetic_vgg19(path: str | Path, seed: int = 0) -> Path:
    """He-normal `features.N.weight` and `.bias` under torchvision's names, as safetensors."""
    rng = np.random.default_rng(seed)
    tensors, channels, index = {}, 3, 0
    for layer in _VGG19:
        if layer == "M":
            index += 1
            continue
        deviation = np.float32(np.sqrt(2 / (9 * channels)))
        weight = rng.standard_normal((layer, channels, 3, 3), np.float32) * deviation
        tensors[f"features.{index}.weight"] = weight
        tensors[f"features.{index}.bias"] = np.zeros(layer, np.float32)
        channels = layer
        index += 2  # the convolution and its ReLU
    save_file(tensors, path)
    return Path(path)
