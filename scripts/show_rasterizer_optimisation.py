"""Pictures of what the rasterizer's gradients find, for docs/gradients.md.

    python scripts/show_rasterizer_optimisation.py docs/images

`rasterizer_optimisation_pose.png`: a pose from a silhouette alone.
`rasterizer_optimisation_face.png`: pose, identity and expression of the procedural head from one
picture. Each shows the start, the result, the target, the difference of result and target, and the
loss over the steps.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from tests.helpers.face_recovery import FaceProblem
from tests.helpers.moving_meshes import PoseProblem, descend


def draw(path: Path, pictures: dict, losses: np.ndarray) -> None:
    figure, axes = plt.subplots(1, len(pictures) + 1, figsize=(2.4 * (len(pictures) + 1), 2.4))
    for axis, (name, picture) in zip(axes, pictures.items(), strict=False):
        axis.imshow(np.clip(np.asarray(picture), 0, 1).squeeze(), cmap="gray", vmin=0, vmax=1)
        axis.set_title(name)
        axis.axis("off")
    axes[-1].semilogy(losses)
    axes[-1].set_title("loss")
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=Path, help="folder of the pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    pose = PoseProblem(40)
    found, losses = descend(pose.loss, pose.start, steps=160, rate=0.6)
    shown = {"start": pose.draw(pose.start), "found": pose.draw(found), "target": pose.target}
    shown = {name: np.asarray(picture)[..., -1] for name, picture in shown.items()}
    shown["|difference| x 5"] = 5 * np.abs(shown["found"] - shown["target"])
    draw(out / "rasterizer_optimisation_pose.png", shown, losses)
    print(f"pose: corners {pose.pixels_off(pose.start).mean():.2f} px off at the start,")
    print(f"{pose.pixels_off(found).max():.3f} px at the end (the worst)")

    face = FaceProblem(64)
    found, losses = face.fit()
    shown = {"start": face.draw(face.start), "found": face.draw(found), "target": face.target}
    shown["|difference| x 5"] = 5 * np.abs(np.asarray(shown["found"]) - np.asarray(face.target))
    draw(out / "rasterizer_optimisation_face.png", shown, losses)
    print(f"face: {face.millimetres_off(face.start):.1f} mm off at the start,")
    print(f"{face.millimetres_off(found):.2f} mm at the end")


if __name__ == "__main__":
    main()
