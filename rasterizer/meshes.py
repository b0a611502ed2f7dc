"""Meshes with colours or a texture: a pytree, trimesh in and out, padding to one size.

trimesh is met by the attributes of its objects alone and never imported.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

# Albedo of a mesh that says nothing of its colour.
GREY = (0.7, 0.7, 0.7)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Mesh:
    """Triangles with an albedo: a texture where there is one, else colours, else grey.

    vertices: (V, 3) float, counter-clockwise triangles seen from outside in a right-handed frame.
    triangles: (F, 3) int32 rows of `vertices`, -1 for padding.
    colours: (N, 3) float RGB in [0, 1], or None.
    colour_triangles: (F, 3) int32 rows of `colours` per corner; None if they are those of the
      vertices.
    uv: (M, 2) float, v up (textures.py), or None.
    uv_triangles: (F, 3) int32 rows of `uv` per corner; None if they are those of the vertices.
    texture: (h, w, 3) float RGB in [0, 1], or None; needs uv.
    """

    vertices: jax.Array
    triangles: jax.Array
    colours: jax.Array | None = None
    colour_triangles: jax.Array | None = None
    uv: jax.Array | None = None
    uv_triangles: jax.Array | None = None
    texture: jax.Array | None = None


def pad_meshes(meshes: Sequence[Mesh]) -> Mesh:
    """Meshes of different sizes as one batch for `jax.vmap`.

    Args:
      meshes: at least one, all with the same fields; textures must be of one size.

    Returns:
      A Mesh whose arrays lead with the batch. Triangles are padded with -1, which the rasterizer
      leaves out; all else with copies of the last row, which widen no bounding box.

    Raises:
      ValueError: no mesh, or meshes that differ in their fields or in the size of their textures.
    """
    if not meshes:
        raise ValueError("expected at least one mesh, found none")
    fields = {}
    for field in dataclasses.fields(Mesh):
        values = [getattr(mesh, field.name) for mesh in meshes]
        present = [value is not None for value in values]
        if not any(present):
            continue
        if not all(present):
            raise ValueError(
                f"expected {field.name} in all meshes or in none, found it in {sum(present)} of "
                f"{len(meshes)}"
            )
        values = [jnp.asarray(value) for value in values]
        shapes = {value.shape for value in values}
        if field.name != "texture":
            fill = -1 if field.name == "triangles" else None
            longest = max(shape[0] for shape in shapes)
            values = [_pad_rows(value, longest, fill) for value in values]
        elif len(shapes) > 1:
            raise ValueError(f"expected textures of one size, found {sorted(shapes)}")
        fields[field.name] = jnp.stack(values)
    return Mesh(**fields)


def from_trimesh(mesh) -> Mesh:
    """A Mesh from a trimesh.Trimesh, or from anything with its attributes.

    Read are `.vertices`, `.faces` and, where there is one, `.visual`: uv with the material's image
    (times baseColorFactor), or the material's colour, or vertex_colors or face_colors, whichever
    `.visual.kind` names. 8-bit colours become numbers in [0, 1]; alpha is dropped.

    Raises:
      ValueError: a scene, or an object without vertices and faces.
    """
    if hasattr(mesh, "geometry"):
        raise ValueError(
            f"expected one mesh, found a scene of {len(mesh.geometry)}; pass scene.to_mesh(), "
            "which joins them, or one of scene.geometry"
        )
    if not (hasattr(mesh, "vertices") and hasattr(mesh, "faces")):
        raise ValueError(f"expected a mesh with vertices and faces, found {type(mesh).__name__}")
    triangles = np.asarray(mesh.faces, np.int32).reshape(-1, 3)
    vertices = np.asarray(mesh.vertices, np.float32).reshape(-1, 3)
    return Mesh(vertices, triangles, **_appearance(getattr(mesh, "visual", None), triangles))


def to_trimesh(mesh: Mesh) -> dict:
    """Arguments for `trimesh.Trimesh(**to_trimesh(mesh))`.

    trimesh has one colour and one uv per vertex. Where the mesh has tables of its own for the
    corners of its triangles, vertices are split along the seams. Padding triangles are left out.

    Returns:
      vertices (V', 3) float, faces (F', 3) int, process=False, and where the mesh has them
      vertex_colors (V', 4) uint8 and vertex_attributes {"uv": (V', 2) float}. The texture stays
      with the mesh: trimesh.visual.TextureVisuals(uv, image=...) takes both.
    """
    triangles = np.asarray(mesh.triangles)
    kept = np.all(triangles >= 0, axis=-1)
    tables = {"vertices": triangles[kept]}
    for name, table in (("colours", mesh.colour_triangles), ("uv", mesh.uv_triangles)):
        if getattr(mesh, name) is not None:
            tables[name] = triangles[kept] if table is None else np.asarray(table)[kept]
    corners = np.stack(list(tables.values()), axis=-1).reshape(-1, len(tables))
    if np.all(corners == corners[:, :1]):
        rows = dict.fromkeys(tables, np.arange(len(mesh.vertices)))
        faces = tables["vertices"]
    else:
        unique, faces = np.unique(corners, axis=0, return_inverse=True)
        rows = dict(zip(tables, unique.T, strict=True))
        faces = faces.reshape(-1, 3)
    found = {"vertices": np.asarray(mesh.vertices)[rows["vertices"]], "faces": faces}
    if "colours" in rows:
        colours = np.clip(np.asarray(mesh.colours, np.float32)[rows["colours"]], 0, 1)
        colours = np.pad(colours, ((0, 0), (0, 1)), constant_values=1)
        found["vertex_colors"] = np.round(255 * colours).astype(np.uint8)
    if "uv" in rows:
        found["vertex_attributes"] = {"uv": np.asarray(mesh.uv)[rows["uv"]]}
    return {**found, "process": False}


def _pad_rows(rows: jax.Array, count: int, fill: int | None) -> jax.Array:
    widths = ((0, count - len(rows)), (0, 0))
    if fill is None and len(rows):
        return jnp.pad(rows, widths, mode="edge")
    return jnp.pad(rows, widths, constant_values=fill or 0)


def _appearance(visual, triangles: np.ndarray) -> dict:
    """Fields of a Mesh from a trimesh visual."""
    kind = getattr(visual, "kind", None)
    if kind == "vertex":
        return {"colours": _rgb(visual.vertex_colors)}
    if kind == "face":
        own = np.repeat(np.arange(len(triangles), dtype=np.int32)[:, None], 3, axis=1)
        return {"colours": _rgb(visual.face_colors), "colour_triangles": own}
    if kind != "texture":
        return {}
    material, uv = visual.material, visual.uv
    image = getattr(material, "image", None)
    if image is None:
        image = getattr(material, "baseColorTexture", None)
    if image is None or uv is None:
        colour = getattr(material, "main_color", None)
        if colour is None:
            return {}
        colours = _rgb(np.asarray(colour)[None])
        return {"colours": colours, "colour_triangles": np.zeros_like(triangles)}
    # A PIL image may have a palette or one channel; an array is taken as it is.
    pixels = np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)
    texture = _rgb(pixels)
    factor = getattr(material, "baseColorFactor", None)
    if factor is not None:
        texture = texture * _rgb(np.asarray(factor)).reshape(1, 1, 3)
    return {"uv": np.asarray(uv, np.float32), "texture": texture}


def _rgb(colours) -> np.ndarray:
    """(..., 3) float32 in [0, 1] of (..., 3 or 4) 8-bit or float colours."""
    colours = np.asarray(colours)
    scale = 255 if np.issubdtype(colours.dtype, np.integer) else 1
    return (colours[..., :3] / scale).astype(np.float32)
