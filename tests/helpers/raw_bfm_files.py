"""The raw files of BFM 2009 in their own binary form and sizes, with made-up content.

`derive_front` turns them into BFM_model_front.mat by NumPy alone, written from the published recipe
and apart from the code under test.
"""

from pathlib import Path

import numpy as np
import scipy.io

from tests.helpers import paper_files

BASEL_VERTICES, EXPRESSION_VERTICES, FACE_VERTICES = 53_490, 53_215, 35_709
INFO_KEYS = ("tri", "point_buf", "keypoints", "frontmask2_idx", "tri_mask2", "skinmask")


def write_synthetic_raw(folder: Path, front: dict[str, np.ndarray]) -> Path:
    """All files of the folder (about 310 MB); the face in them is roughly that of `front`."""
    rng = np.random.default_rng(11)
    trim = np.sort(rng.permutation(BASEL_VERTICES)[:EXPRESSION_VERTICES])
    face = np.sort(rng.permutation(53_153)[:FACE_VERTICES])
    trim[0] = face[0] = 0
    basel_rows = (3 * trim[face][:, None] + np.arange(3)).reshape(-1)
    mode = np.arange(199)

    def part(name: str, mean: np.ndarray, base: np.ndarray, first: float, unit: float) -> dict:
        deviations = (first / (1 + mode)).astype(np.float32)[:, None]
        # Noise everywhere else: a wrong row or column shows.
        components = rng.random((3 * BASEL_VERTICES, 199), np.float32)
        components[basel_rows, : base.shape[1]] = base * unit / deviations[: base.shape[1], 0]
        average = rng.normal(0, 5e4 if unit > 1 else 80, (3 * BASEL_VERTICES, 1))
        average[basel_rows, 0] = mean.reshape(-1) * unit
        return {
            f"{name}MU": average.astype(np.float32),
            f"{name}PC": components,
            f"{name}EV": deviations,
        }

    shape = part("shape", front["meanshape"], front["idBase"], 9e5, 1e5)
    colour = part("tex", front["meantex"], front["texBase"], 4e3, 1.0)
    scipy.io.savemat(folder / "01_MorphableModel.mat", shape | colour)
    deviations = 4e5 / (1 + np.arange(79)) * rng.uniform(0.9, 1.1, 79)
    (folder / "std_exp.txt").write_text(" ".join(f"{value:g}" for value in deviations))
    components = rng.random((79, EXPRESSION_VERTICES, 3), np.float32)
    components[:64, face] = front["exBase"].T.reshape(64, -1, 3) * 1e5 / deviations[:64, None, None]
    with open(folder / "Exp_Pca.bin", "wb") as file:
        file.write(np.array([79], "<i4").tobytes())
        file.write(rng.random(3 * EXPRESSION_VERTICES, np.float32).astype("<f4").tobytes())
        file.write(components.astype("<f4").tobytes())
    scipy.io.savemat(
        folder / "BFM_exp_idx.mat", {"trimIndex": (trim + 1).astype(np.uint16)[:, None]}
    )
    scipy.io.savemat(folder / "BFM_front_idx.mat", {"idx": (face + 1).astype(np.float32)[:, None]})
    info = {key: front[key].astype(np.float32) for key in INFO_KEYS}
    scipy.io.savemat(folder / "facemodel_info.mat", info)
    return folder


def derive_front(folder: Path) -> dict[str, np.ndarray]:
    """What BFM_model_front.mat holds, from the folder's files: whole matrices, then rows."""
    basel = scipy.io.loadmat(folder / "01_MorphableModel.mat")
    raw = np.frombuffer((folder / "Exp_Pca.bin").read_bytes()[4:], "<f4")
    expressions = raw[3 * EXPRESSION_VERTICES :].reshape(79, -1).T
    deviations = np.loadtxt(folder / "std_exp.txt")
    trim = scipy.io.loadmat(folder / "BFM_exp_idx.mat")["trimIndex"].ravel().astype(int) - 1
    face = scipy.io.loadmat(folder / "BFM_front_idx.mat")["idx"].ravel().astype(int) - 1

    def rows(matrix: np.ndarray, vertices: np.ndarray) -> np.ndarray:
        by_vertex = matrix.reshape(-1, 3, matrix.shape[1])
        return by_vertex[vertices].reshape(-1, matrix.shape[1])

    in_basel = trim[face]
    info = scipy.io.loadmat(folder / "facemodel_info.mat")
    identity = basel["shapePC"][:, :80] * basel["shapeEV"].reshape(1, -1)[:, :80] / 1e5
    colour = basel["texPC"][:, :80] * basel["texEV"].reshape(1, -1)[:, :80]
    return {
        "meanshape": rows(basel["shapeMU"] / 1e5, in_basel).reshape(1, -1),
        "idBase": rows(identity, in_basel),
        "exBase": rows(expressions[:, :64] * deviations[None, :64] / 1e5, face),
        "meantex": rows(basel["texMU"], in_basel).reshape(1, -1),
        "texBase": rows(colour, in_basel),
        **{key: info[key] for key in INFO_KEYS},
    }


def synthetic_front(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of `paper_files.write_synthetic_bfm_front`."""
    stored = scipy.io.loadmat(paper_files.write_synthetic_bfm_front(folder / "front.mat"))
    return {key: value for key, value in stored.items() if not key.startswith("__")}
