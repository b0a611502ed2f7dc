"""Draws the rasterizer's gallery and its pixel grid.

python scripts/rasterizer_gallery.py --out docs/images

writes gallery_pixel_grid.png, gallery_shapes.png, gallery_textures.png, gallery_meeting.png and
gallery_head.png. Everything but the grid is drawn at four times its size and averaged.
"""

import argparse
import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import trimesh
from PIL import Image, ImageDraw, ImageFont

import rasterizer
from reenact_jax import media, visual
from reenact_jax.errors import run_command
from reenact_jax.face_model.morphable import albedo, shape
from reenact_jax.face_model.procedural import procedural_head

SIDE, OVERSAMPLING = 200, 4
PAPER = np.array([1.0, 1.0, 1.0])
# Nine bands for red, green and blue: a warm light from the upper left, a cool one from the right.
SKY = np.zeros((3, 9), np.float32)
SKY[:, 1] = -0.25, -0.2, -0.1
SKY[:, 2] = 0.15, 0.15, 0.15
SKY[:, 3] = 0.3, 0.1, -0.25
SKY = SKY.reshape(27)


def averaged(picture: np.ndarray) -> np.ndarray:
    """(kS, kS, C) -> (S, S, C)."""
    height, width, channels = picture.shape
    blocks = picture.reshape(height // OVERSAMPLING, OVERSAMPLING, -1, OVERSAMPLING, channels)
    return blocks.mean(axis=(1, 3))


def on_paper(colour: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """uint8 picture of colours where something is covered, white elsewhere."""
    shown = np.where(covered[..., None], np.clip(colour, 0, 1), PAPER)
    return np.round(255 * averaged(shown)).astype(np.uint8)


def views(mesh, camera=None, light=None, smooth=True) -> dict[str, np.ndarray]:
    """The outputs of one call as pictures: colour, normals, depth and triangles."""
    side = SIDE * OVERSAMPLING
    if camera is not None:
        intrinsics = camera.intrinsics * OVERSAMPLING
        camera = dataclasses.replace(camera, intrinsics=intrinsics)
    found = rasterizer.render(mesh, side, side, camera=camera, light=light, smooth=smooth)
    ids, depth = np.asarray(found.fragments.triangle_id), np.asarray(found.depth)
    covered = ids >= 0
    # By 1/depth, which runs evenly over the picture of a plane.
    closeness = np.where(covered, 1 / np.where(covered, depth, 1), np.inf)
    least, most = closeness.min(), closeness[covered].max()
    nearness = 0.1 + 0.9 * (closeness - least) / max(most - least, 1e-6)
    palette = np.random.default_rng(0).uniform(0.15, 0.95, (ids.max() + 1, 3))
    return {
        "colour": on_paper(np.asarray(found.rgba)[..., :3], covered),
        "normals": on_paper(0.5 + 0.5 * np.asarray(found.normals), covered),
        "depth": on_paper(np.repeat(nearness[..., None], 3, axis=-1), covered),
        "triangles": on_paper(palette[np.maximum(ids, 0)], covered),
    }


def shapes() -> np.ndarray:
    """A ball, a ring and a box under a point light and under spherical harmonics."""
    ring = trimesh.creation.torus(0.7, 0.3, major_sections=64, minor_sections=32)
    ring.apply_transform(trimesh.transformations.rotation_matrix(-0.9, [1, 0, 0]))
    solids = [(trimesh.creation.icosphere(4), True), (ring, True), (trimesh.creation.box(), False)]
    rows = []
    for solid, smooth in solids:
        lamp, sky = (views(solid, light=light, smooth=smooth) for light in (None, SKY))
        rows.append(
            {
                "point light": lamp["colour"],
                "spherical harmonics": sky["colour"],
                "normals": lamp["normals"],
                "depth": lamp["depth"],
            }
        )
    return visual.grid({name: [row[name] for row in rows] for name in rows[0]})


def labelled_squares(count: int) -> np.ndarray:
    """(h, w, 3) float: a chequered texture; fields are named by column and row, A1 on top."""
    field = 32
    sheet = Image.new("RGB", (count * field, count * field))
    pen = ImageDraw.Draw(sheet)
    for row in range(count):
        for column in range(count):
            dark = (row + column) % 2
            corner = (column * field, row * field)
            fill = (40, 70, 120) if dark else (245, 225, 170)
            pen.rectangle([corner, (corner[0] + field, corner[1] + field)], fill=fill)
            text = f"{'ABCDEFGH'[column]}{row + 1}"
            pen.text((corner[0] + 8, corner[1] + 9), text, fill="white" if dark else "black")
    return np.asarray(sheet, np.float32) / 255


def textured_box() -> rasterizer.Mesh:
    """A box whose six sides each show the whole texture: uvs belong to corners."""
    corners = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], np.float32)
    sides = [(4, 5, 7, 6), (1, 0, 2, 3), (5, 1, 3, 7), (0, 4, 6, 2), (6, 7, 3, 2), (0, 1, 5, 4)]
    triangles = [[(a, b, c), (a, c, d)] for a, b, c, d in sides]
    return rasterizer.Mesh(
        vertices=corners,
        triangles=np.array(triangles, np.int32).reshape(-1, 3),
        uv=np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32),
        uv_triangles=np.array([[0, 1, 2], [0, 2, 3]] * 6, np.int32),
        texture=labelled_squares(4),
    )


def textures() -> np.ndarray:
    """A box with a texture, and a floor that runs from behind the camera to the horizon."""
    white = np.zeros(27, np.float32)
    white[[0, 9, 18]] = 1 / 0.886227 - 0.8  # one at every normal: the texture as it is
    floor = rasterizer.Mesh(
        vertices=np.array([[-40, 0, 40], [40, 0, 40], [40, 0, -40], [-40, 0, -40]], np.float32),
        triangles=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        uv=np.array([[0, 0], [10, 0], [10, 10], [0, 10]], np.float32),
        texture=labelled_squares(8),
    )
    rotation, translation = rasterizer.look_at(
        jnp.array([0.0, 2, 0]), jnp.array([2.6, 1, -3.4]), jnp.array([0.0, 1, 0])
    )
    focal = rasterizer.field_of_view_intrinsics(1.0, SIDE, SIDE)
    camera = rasterizer.Camera(rotation, translation, focal)
    ground = views(floor, camera, light=white)
    box = views(textured_box(), smooth=False)
    return visual.grid(
        {
            "uv per corner": [box["colour"]],
            "perspective-correct": [ground["colour"]],
            "through the camera plane": [ground["triangles"]],
            "depth": [ground["depth"]],
        }
    )


def meeting() -> np.ndarray:
    """Two meshes that pass through each other, in one picture."""
    ball = trimesh.creation.icosphere(3, radius=0.5)
    ball.apply_translation([0.45, 0.15, -0.3])
    ball.visual.vertex_colors = [230, 120, 60, 255]
    ring = trimesh.creation.torus(0.8, 0.25, major_sections=48, minor_sections=20)
    ring.apply_transform(trimesh.transformations.rotation_matrix(-0.5, [1, -0.6, 0]))
    ring.visual.vertex_colors = [70, 130, 200, 255]
    both = views(trimesh.util.concatenate([ball, ring]))
    return visual.grid({name: [picture] for name, picture in both.items()})


def head() -> np.ndarray:
    """The procedural head, from the front and from the side."""
    model = procedural_head("light")
    zeros = model.zeros()
    mesh = rasterizer.Mesh(
        vertices=np.asarray(shape(model, zeros.identity, zeros.expression)),
        triangles=np.asarray(model.triangles),
        colours=np.asarray(albedo(model, zeros.texture)),
    )
    rows = []
    for direction in ((0.0, 0.05, 1.0), (0.9, 0.15, 1.0)):
        camera = rasterizer.framing_camera(mesh.vertices, SIDE, SIDE, direction=direction)
        lamp, sky = (views(mesh, camera, light) for light in (None, SKY))
        rows.append(
            {
                "point light": lamp["colour"],
                "spherical harmonics": sky["colour"],
                "normals": lamp["normals"],
                "depth": lamp["depth"],
                "triangles": lamp["triangles"],
            }
        )
    return visual.grid({name: [row[name] for row in rows] for name in rows[0]})


def pixel_grid() -> np.ndarray:
    """An image of 4 x 6 pixels: rows, columns, centres, and the pixels of two triangles."""
    height, width, cell, margin = 4, 6, 84, 64
    points = np.array([[0.6, 0.8], [4.5, 0.5], [1.5, 3.5], [5.7, 3.2]])
    triangles = np.array([[0, 2, 1], [1, 2, 3]], np.int32)
    clip = np.c_[2 * points / [width, height] - 1, np.ones((4, 2))].astype(np.float32)
    ids = np.asarray(rasterizer.rasterize(clip, triangles, height, width).triangle_id)
    tints, inks = [(255, 205, 170), (180, 210, 250)], [(200, 80, 20), (30, 90, 190)]
    sheet = Image.new("RGB", (width * cell + 2 * margin, height * cell + 2 * margin), "white")
    pen = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(17), ImageFont.load_default(13)

    def place(x, y):
        return (margin + x * cell, margin + y * cell)

    for row in range(height):
        for column in range(width):
            index = ids[row, column]
            fill = (255, 255, 255) if index < 0 else tints[index]
            box = [place(column, row), place(column + 1, row + 1)]
            pen.rectangle(box, fill=fill, outline=(170, 170, 170))
    for index, triangle in enumerate(triangles):
        corners = [place(*points[k]) for k in triangle]
        pen.line([*corners, corners[0]], fill=inks[index], width=3)
    for row in range(height):
        for column in range(width):
            x, y = place(column + 0.5, row + 0.5)
            pen.ellipse([x - 3, y - 3, x + 3, y + 3], fill="black")
    for column in range(width):
        pen.text(place(column + 0.5, -0.2), f"column {column}", "black", small, anchor="ms")
    for row in range(height):
        pen.text(place(-0.1, row + 0.5), f"row {row}", "black", small, anchor="rm")
    for text, (x, y) in (("(0.5, 0.5)", (0.5, 0.5)), ("(2.5, 1.5)", (2.5, 1.5))):
        pen.text(place(x, y + 0.1), text, "black", small, anchor="mt")
    pen.text(place(1.7, 1.05), "0", inks[0], large, anchor="mm")
    pen.text(place(4.75, 2.0), "1", inks[1], large, anchor="mm")
    below = place(0, height + 0.2)
    pen.text(below, "x/w = -1", "black", small, anchor="ls")
    pen.text(place(width, height + 0.2), "x/w = +1", "black", small, anchor="rs")
    pen.text(place(width + 0.08, 0.15), "y/w = -1", "black", small, anchor="ls")
    pen.text(place(width + 0.08, height), "y/w = +1", "black", small, anchor="ls")
    pen.text(place(0, -0.5), "x, u to the right", "black", large, anchor="ls")
    pen.text(place(width / 2, height + 0.55), "y, v downwards", "black", large, anchor="ms")
    return np.asarray(sheet)


PICTURES = {
    "pixel_grid": pixel_grid,
    "shapes": shapes,
    "textures": textures,
    "meeting": meeting,
    "head": head,
}


def main(options: argparse.Namespace) -> None:
    for name in options.only or PICTURES:
        path = Path(options.out) / f"gallery_{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        media.write_image(path, PICTURES[name]())
        print(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="docs/images", help="folder for the pictures")
    parser.add_argument("--only", nargs="+", choices=PICTURES, help="names of pictures")
    run_command(main, parser.parse_args())
