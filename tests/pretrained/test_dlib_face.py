"""dlib's network in JAX against dlib: stored with random weights, live with the published ones."""

import jax
import numpy as np
import pytest

from reenact_jax.errors import UserError
from reenact_jax.pretrained import registry
from reenact_jax.pretrained.dlib_face import (
    FILE_NAME,
    dlib_embedding,
    find_dlib_face,
    load_dlib_face,
)
from tests.helpers import dlib_file


@pytest.fixture(scope="module")
def random_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("dlib") / "random.dat"
    dlib_file.write_random_file(path)
    return path


def embed(params) -> np.ndarray:
    return np.asarray(jax.jit(dlib_embedding)(params, np.float32(dlib_file.chips()) / 255))


def test_random_weights_give_what_dlib_gives(random_file):
    params, provenance = load_dlib_face(random_file)
    expected = np.load(dlib_file.STORED)["embeddings"]
    assert np.abs(expected).max() > 0.1  # the fixture is not empty
    np.testing.assert_allclose(embed(params), expected, atol=1e-4 * np.abs(expected).max())
    assert not provenance.known and provenance.official is None


def test_the_published_weights_give_what_dlib_gives():
    dlib = pytest.importorskip("dlib", reason="dlib is not installed")
    if registry.find(FILE_NAME) is None:
        pytest.skip(f"{FILE_NAME} is not here")
    params, provenance = load_dlib_face()
    network = dlib.face_recognition_model_v1(str(find_dlib_face()))
    expected = [np.asarray(network.compute_face_descriptor(chip)) for chip in dlib_file.chips()]
    np.testing.assert_allclose(embed(params), expected, atol=1e-5)
    assert provenance.known


def test_dlibs_own_crop_lies_where_the_template_says():
    dlib = pytest.importorskip("dlib", reason="dlib is not installed")
    from reenact_jax.metrics.similarity import DLIB, fit_similarity

    # Places as colours: what the crop shows is where it was taken.
    y, x = np.mgrid[:400, :400]
    image = np.stack([x // 2, y // 2, x], axis=-1).astype(np.uint8)
    points = np.asarray([[260, 150], [222, 156], [120, 148], [163, 155], [192, 240]])
    face = dlib.full_object_detection(
        dlib.rectangle(100, 100, 300, 300), [dlib.point(*map(int, p)) for p in points]
    )
    chip = dlib.get_face_chip(image, face, 150, 0.25)[..., :2] * 2.0 + 1.0
    # dlib's points are index coordinates.
    transform = np.asarray(fit_similarity(DLIB.points, np.float32(points + 0.5)))
    centres = np.stack(np.mgrid[:150, :150][::-1], axis=-1) + 0.5
    places = centres @ transform[:, :2].T + transform[:, 2]
    # dlib's crop is 0.3 percent larger, half a pixel at its border; colours are steps of two.
    assert np.abs(chip - places).max() < 2.0 and abs((chip - places).mean()) < 0.6


def test_other_files_are_refused(tmp_path, random_file):
    path = tmp_path / "short.dat"
    content = random_file.read_bytes()
    for size, message in ((10_000_000, "damaged"), (30, "damaged"), (0, "29 convolutions")):
        path.write_bytes(content[:size])
        with pytest.raises(UserError, match=message):
            load_dlib_face(path)
    path.write_bytes(content.replace(b"\x01\x05con_4", b"\x01\x05con_5", 1))
    with pytest.raises(UserError, match="29 convolutions, found 28"):
        load_dlib_face(path)


def test_pictures_of_another_size_are_refused():
    with pytest.raises(ValueError, match="150, 150, 3"):
        dlib_embedding({}, np.zeros((1, 112, 112, 3), np.float32))


def test_a_missing_file_says_where_it_comes_from(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(registry.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'reenact-jax\[dlib\]'"):
        find_dlib_face()
