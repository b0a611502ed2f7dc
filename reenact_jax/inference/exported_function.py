"""The whole reenactment function as one file for programs that have JAX alone.

`jax.export` keeps what JAX traced (StableHLO): guidance, networks, the parameters and the face
model. The file is called without any code of this project:

    exported = jax.export.deserialize(bytearray(open("reenact.jax_export", "rb").read()))
    image = exported.call(source_image, source_parameters, driving_parameters)
"""

import dataclasses

import jax
import jax.numpy as jnp

import rasterizer
from reenact_jax import method
from reenact_jax.errors import UserError
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.inference.run import TrainedRun

FILE = "reenact.jax_export"
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
# Face models whose licence lets nobody pass them on.
_NOT_TO_BE_PASSED_ON = ("bfm2009",)


def export_reenactment(run: TrainedRun) -> bytes:
    """Serialises source image, source and driving parameters -> image, at one resolution.

    The function takes the source image, float32 (S, S, 3) in [-1, 1], and two dicts of float32
    arrays, one per field of FaceParameters; it returns float32 (S, S, 3) in [-1, 1].

    Raises:
      UserError: if the face model, which would be part of the file, may not be passed on.
    """
    name = run.config.face_model.name
    if name in _NOT_TO_BE_PASSED_ON:
        raise UserError(
            f"the function would carry the face model {name}, whose licence does not let it be "
            "passed on: export without --function"
        )

    def reenact(source_image: jax.Array, source: dict, driving: dict) -> jax.Array:
        source, driving = (
            jax.tree.map(lambda leaf: leaf[None], FaceParameters(**parameters))
            for parameters in (source, driving)
        )
        images, *_ = method.reenact(
            run.network,
            run.config.guidance,
            run.params,
            run.face_model,
            source_image[None],
            source,
            driving,
        )
        return images[0]

    size = run.config.image_size
    image = jax.ShapeDtypeStruct((size, size, 3), jnp.float32)
    zeros = dataclasses.asdict(run.face_model.zeros())
    shapes = {key: jax.ShapeDtypeStruct(leaf.shape, jnp.float32) for key, leaf in zeros.items()}
    # What the GPU's kernels are written in is no format that can be kept.
    with rasterizer.without_gpu_kernels():
        exported = jax.export.export(jax.jit(reenact), platforms=PLATFORMS)(image, shapes, shapes)
    return bytes(exported.serialize())
