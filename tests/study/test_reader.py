"""The reader: its file, its distances, and that it learns to read."""

import hashlib

import jax
import numpy as np
import pytest

from reenact_jax.data.talking_heads.guidance_conditions import project_landmarks
from reenact_jax.errors import UserError
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.study import reader as readers

HEAD = "light"


@pytest.fixture(scope="module")
def examples():
    """Grey discs where the head would be: 48 pictures of 32 pixels and their parameters."""
    rng = np.random.default_rng(0)
    faces = procedural_head(HEAD).zeros((48,))
    moved = np.zeros((48, 3), np.float32)
    moved[:, :2] = rng.uniform(-0.6, 0.6, (48, 2))
    # Distances of the other groups that are not all 0.
    unseen = {
        name: rng.uniform(0.0, 0.1, np.shape(getattr(faces, name))).astype(np.float32)
        for name in ("rotation", "expression", "identity")
    }
    faces = jax.tree.map(np.asarray, faces.replace(translation=moved, **unseen))
    middle = project_landmarks(HEAD, faces).mean(axis=1) * 32
    rows, columns = np.mgrid[:32, :32] + 0.5
    apart = np.hypot(rows - middle[:, 1, None, None], columns - middle[:, 0, None, None])
    pictures = np.where(apart < 6, 200, 40).astype(np.uint8)
    return np.repeat(pictures[..., None], 3, axis=-1), faces


@pytest.fixture(scope="module")
def reader(examples):
    return readers.train_reader(*examples, HEAD, num_steps=80, batch_size=24)


def test_it_reads_where_the_head_is(examples, reader):
    pictures, faces = examples
    people = np.repeat(np.arange(8), 6)
    errors = readers.reading_errors(reader, pictures, faces, people, HEAD)
    assert errors["landmarks"] < 0.3 * errors["mean_landmarks"]
    assert errors["rank_landmarks"] > 0.9


def test_a_file_reads_the_same(examples, reader, tmp_path):
    readers.save_reader(tmp_path / "reader.npz", reader)
    again = readers.load_reader(tmp_path / "reader.npz")
    assert again.sha256() == reader.sha256()
    first, second = (one.read(examples[0][:4]) for one in (reader, again))
    for name in readers.GROUPS:
        np.testing.assert_array_equal(first[name], second[name])


def test_its_hash_is_that_of_its_file(reader, tmp_path):
    readers.save_reader(tmp_path / "reader.npz", reader)
    digest = hashlib.sha256((tmp_path / "reader.npz").read_bytes()).hexdigest()
    assert reader.sha256() == digest


def test_a_reader_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="--only reader` trains it"):
        readers.load_reader(tmp_path / "reader.npz")


def test_distances_by_hand():
    zero = {"landmarks": np.zeros((1, 136)), "rotation": np.zeros((1, 3))}
    zero |= {"expression": np.zeros((1, 51)), "identity": np.zeros((1, 102))}
    other = {name: values.copy() for name, values in zero.items()}
    other["landmarks"][0, :2] = 3, 4  # one of 68 landmarks is 5 px off
    other["rotation"][0, 1] = np.radians(30)
    other["expression"][0, :2] = 0.3, 0.4
    other["identity"][0, 7] = 2
    found = readers.distances(other, zero)
    expected = {"landmarks": 5 / 68, "pose": 30, "expression": 0.5, "identity": 2}
    assert {name: v[0] for name, v in found.items()} == pytest.approx(expected)
    assert all(v[0] == pytest.approx(0, abs=1e-5) for v in readers.distances(zero, zero).values())
