"""The serialised function, called by a process that has JAX and NumPy alone."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from reenact_jax import method
from reenact_jax.errors import UserError
from reenact_jax.face_model.load import load_face_model
from reenact_jax.inference.exported_function import export_reenactment
from reenact_jax.inference.run import TrainedRun
from reenact_jax.nn.initialise import initial_parameters
from tests.helpers.posed import pose
from tests.helpers.tiny import tiny_config

CALLER = """
import sys
import jax
import numpy as np

exported = jax.export.deserialize(bytearray(open("reenact.jax_export", "rb").read()))
arrays = dict(np.load("inputs.npz"))
image = arrays.pop("source_image")
source, driving = (
    {name.removeprefix(f"{role}/"): array for name, array in arrays.items() if role in name}
    for role in ("source", "driving")
)
np.save("image.npy", exported.call(image, source, driving))
print(" ".join({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def run() -> TrainedRun:
    config = tiny_config(Path("nowhere"))
    face_model = load_face_model(config.face_model.name)
    network = method.make_network(config, face_model)
    params = initial_parameters(network.config, jax.random.key(0))
    return TrainedRun(config, face_model, network, params, step=1)


def test_a_process_with_jax_alone_makes_the_same_picture(run, tmp_path):
    size = run.config.image_size
    rng = np.random.default_rng(0)
    image = rng.uniform(-1, 1, (size, size, 3)).astype(np.float32)
    source = pose(run.face_model, yaw=10, seed=0)
    driving = pose(run.face_model, yaw=-20, pitch=5, seed=1)
    (tmp_path / "reenact.jax_export").write_bytes(export_reenactment(run))
    inputs = {"source_image": image}
    for role, parameters in (("source", source), ("driving", driving)):
        leaves = dataclasses.asdict(parameters)
        inputs |= {f"{role}/{name}": np.asarray(leaf) for name, leaf in leaves.items()}
    np.savez(tmp_path / "inputs.npz", **inputs)

    # -I: neither the working directory nor PYTHONPATH; what is installed could be imported.
    command = [sys.executable, "-I", "-c", CALLER]
    done = subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True)
    assert {"jax", "numpy"} < set(done.stdout.split())
    assert not {"flax", "reenact_jax", "rasterizer", "optax"} & set(done.stdout.split())

    batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], (image, source, driving))
    expected, _ = run.reenact(*batch)
    found = np.load(tmp_path / "image.npy")
    assert found.shape == (size, size, 3) and found.dtype == np.float32
    # Compiled as two programs; a pixel on an edge may fall on either side.
    assert np.quantile(np.abs(found - np.asarray(expected[0])), 0.99) < 1e-5


def test_a_face_model_that_may_not_be_passed_on_stays_out(run):
    face_model = dataclasses.replace(run.config.face_model, name="bfm2009")
    licensed = dataclasses.replace(
        run, config=dataclasses.replace(run.config, face_model=face_model)
    )
    with pytest.raises(UserError, match="bfm2009, whose licence"):
        export_reenactment(licensed)
