"""Twenty drawn faces with a worse copy of each, and the values of every metric on them.

The pictures come from code alone, so they are the same everywhere. The values in
tests/fixtures/twenty_images.json were computed by scikit-image, and by loops over single numbers,
never by the project:

  python -m tests.helpers.twenty_images        (needs scikit-image; writes the file again)
"""

import dataclasses
import json
from pathlib import Path

import numpy as np

SIZE = 64
COUNT = 20
STORED = Path(__file__).parents[1] / "fixtures/twenty_images.json"


@dataclasses.dataclass(frozen=True)
class TwentyImages:
    """What the metrics compare.

    Attributes:
      target, prediction: float32 (20, 64, 64, 3) in [0, 1], multiples of 1/255.
      mask: float32 (20, 64, 64, 1), the face; empty in the last picture.
      target68, prediction68: float64 (20, 68, 2) pixels.
      target_motion, prediction_motion: float64 (20, 70): 64 expression coefficients, three angles
        in radians, a translation in decimetres.
      identities: five people, four pictures each.
    """

    target: np.ndarray
    prediction: np.ndarray
    mask: np.ndarray
    target68: np.ndarray
    prediction68: np.ndarray
    target_motion: np.ndarray
    prediction_motion: np.ndarray
    identities: np.ndarray


def twenty_images() -> TwentyImages:
    """The pictures; two calls give the same bits."""
    rng = np.random.default_rng(20)
    people = rng.uniform(0.25, 0.9, (5, 3, 3))  # colours of background, skin, lips
    identities = np.repeat(np.arange(5), COUNT // 5)
    openings = rng.uniform(0.0, 4.0, (COUNT, 3))
    centres = rng.uniform(-3, 3, (COUNT, 2)) + SIZE / 2
    changes = rng.normal(0, 0.5, (COUNT, 5))
    noise = rng.normal(0, 0.03, (COUNT, SIZE, SIZE, 3))
    target, prediction, target68, prediction68, masks = [], [], [], [], []
    for k in range(COUNT):
        person = people[identities[k]]
        image, points, mask = _draw(person, centres[k], openings[k])
        opened = np.abs(openings[k] + changes[k, :3])
        copy, moved, _ = _draw(person, centres[k] + changes[k, 3:], opened)
        target.append(image)
        target68.append(points)
        masks.append(mask)
        prediction.append(copy + noise[k])
        prediction68.append(moved)
    masks[-1] = np.zeros_like(masks[-1])
    motion = rng.normal(0, 0.4, (COUNT, 70))
    target, prediction = (
        (np.round(np.clip(images, 0, 1) * 255) / 255).astype(np.float32)
        for images in (np.stack(target), np.stack(prediction))
    )
    return TwentyImages(
        target=target,
        prediction=prediction,
        mask=np.stack(masks).astype(np.float32),
        target68=np.stack(target68),
        prediction68=np.stack(prediction68),
        target_motion=motion,
        prediction_motion=motion + rng.normal(0, 0.1, (COUNT, 70)),
        identities=identities,
    )


def pixel_features(images: np.ndarray) -> np.ndarray:
    """Means over 16 x 16 pixels as features of a Frechet distance, float64 (N, 48)."""
    blocks = images.astype(np.float64).reshape(len(images), 4, 16, 4, 16, 3)
    return blocks.mean(axis=(2, 4)).reshape(len(images), -1)


def _draw(
    colours: np.ndarray, centre: np.ndarray, openings: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A face at `centre`, its 68 points, and its mask; openings of left eye, right eye, mouth."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    background, skin, lips = colours
    left, right, mouth = openings

    def ellipse(cx, cy, rx, ry):
        distance = np.hypot((x - cx) / rx, (y - cy) / ry)
        return np.clip((1 - distance) * min(rx, ry) + 0.5, 0, 1)[..., None]

    cx, cy = centre
    image = background * (0.6 + 0.4 * (x / SIZE))[..., None]
    face = ellipse(cx, cy, 18, 23)
    image = image + face * (skin * (0.7 + 0.3 * (y / SIZE))[..., None] - image)
    for side, opening in ((8, left), (-8, right)):
        eye = ellipse(cx + side, cy - 5, 4, 0.3 + opening / 2)
        image = image + eye * (0.05 - image)
    image = image + ellipse(cx, cy + 11, 7, 1 + mouth / 2) * (lips - image)
    image = image + ellipse(cx, cy + 11, 6, 0.2 + mouth / 2) * (0.1 - image)
    return image, _points(centre, left, right, mouth), (face > 0.5).astype(float)


def _points(centre: np.ndarray, left: float, right: float, mouth: float) -> np.ndarray:
    """68 points in iBUG's order; jaw, brows and nose at fixed places."""

    def ring(cx, cy, rx, ry, count):
        # From the image's left over the top; the corners are the first and the middle one.
        angles = np.pi + np.arange(count) * 2 * np.pi / count
        return np.stack([cx + rx * np.cos(angles), cy + ry * np.sin(angles)], axis=1)

    jaw = np.linspace(np.pi, 0, 17)
    jaw = np.stack([18 * np.cos(jaw), 23 * np.sin(jaw)], axis=1)
    brows = [[sign * 8 + dx, -10] for sign in (-1, 1) for dx in (-4, -2, 0, 2, 4)]
    nose = [[0, dy] for dy in (-5, -2, 1, 4)] + [[dx, 6] for dx in (-4, -2, 0, 2, 4)]
    parts = [
        jaw,
        brows,
        nose,
        ring(-8, -5, 4, right / 2, 6),
        ring(8, -5, 4, left / 2, 6),
        ring(0, 11, 7, 1 + mouth / 2, 12),
        ring(0, 11, 6, mouth / 2, 8),
    ]
    return np.concatenate([np.asarray(part, float) for part in parts]) + centre


def independent_values(data: TwentyImages) -> dict:
    """Every metric by other code: scikit-image, SciPy, and Python numbers one by one."""
    return {
        **_image_values(data),
        **_motion_values(data),
        **_landmark_values(data),
        "frechet_pixels": _frechet(pixel_features(data.prediction), pixel_features(data.target)),
    }


def _image_values(data: TwentyImages) -> dict:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    values = {name: [] for name in ("l1", "psnr", "ssim", "ssim_uniform7")}
    values |= {f"{name}_masked": [] for name in tuple(values)}
    for k in range(COUNT):
        pair = data.target[k].astype(np.float64), data.prediction[k].astype(np.float64)
        inside = data.mask[k, :, :, 0] > 0
        values["l1"].append(abs(pair[0] - pair[1]).mean())
        values["psnr"].append(peak_signal_noise_ratio(*pair, data_range=1.0))
        cut = tuple(image[inside] for image in pair)
        some = inside.any()
        values["l1_masked"].append(abs(cut[0] - cut[1]).mean() if some else None)
        values["psnr_masked"].append(
            peak_signal_noise_ratio(*cut, data_range=1.0) if some else None
        )
        for name, options, pad in (("ssim", gaussian, 5), ("ssim_uniform7", {}, 3)):
            whole, maps = structural_similarity(
                *pair, data_range=1.0, channel_axis=-1, full=True, **options
            )
            values[name].append(whole)
            maps, middle = (a[pad:-pad, pad:-pad] for a in (maps, inside))
            values[f"{name}_masked"].append(maps[middle].mean() if middle.any() else None)
    return values


def _motion_values(data: TwentyImages) -> dict:
    names = "aed_l2 aed_mean_abs aed_sum_abs aed_rms apd_l2 apd_l2_6 apd_mean_abs apd_mean_abs_6"
    values = {name: [] for name in (*names.split(), "apd_mean_abs_degrees")}
    for k in range(COUNT):
        offset = [
            float(a - b)
            for a, b in zip(data.prediction_motion[k], data.target_motion[k], strict=True)
        ]
        expression, angles, pose = offset[:64], offset[64:67], offset[64:]
        squares = sum(x * x for x in expression)
        values["aed_l2"].append(squares**0.5)
        values["aed_rms"].append((squares / 64) ** 0.5)
        values["aed_sum_abs"].append(sum(abs(x) for x in expression))
        values["aed_mean_abs"].append(sum(abs(x) for x in expression) / 64)
        values["apd_l2"].append(sum(x * x for x in angles) ** 0.5)
        values["apd_l2_6"].append(sum(x * x for x in pose) ** 0.5)
        values["apd_mean_abs"].append(sum(abs(x) for x in angles) / 3)
        values["apd_mean_abs_6"].append(sum(abs(x) for x in pose) / 6)
        values["apd_mean_abs_degrees"].append(
            sum(abs(x) for x in angles) / 3 * 180 / 3.141592653589793
        )
    return values


def _landmark_values(data: TwentyImages) -> dict:
    def length(points, a, b):
        return float(((points[a] - points[b]) ** 2).sum() ** 0.5)

    def openings(points):
        return [
            (length(points, 43, 47) + length(points, 44, 46)) / 2,
            (length(points, 37, 41) + length(points, 38, 40)) / 2,
            (length(points, 61, 67) + length(points, 62, 66) + length(points, 63, 65)) / 3,
        ]

    values = {
        name: []
        for name in ("landmark_distance", "landmark_distance_normalised", "apertures", "relative")
    }
    for one, other in zip(data.prediction68, data.target68, strict=True):
        steps = [float(((a - b) ** 2).sum() ** 0.5) for a, b in zip(one, other, strict=True)]
        eyes = length(one, 36, 45), length(other, 36, 45)
        values["landmark_distance"].append(sum(steps) / 68)
        values["landmark_distance_normalised"].append(sum(steps) / 68 / eyes[1])
        pairs = list(zip(openings(one), openings(other), strict=True))
        values["apertures"].append([abs(a - b) for a, b in pairs])
        values["relative"].append([abs(a / eyes[0] - b / eyes[1]) for a, b in pairs])
    lengths = []
    for t in range(1, COUNT - 1):
        second = data.prediction68[t + 1] - 2 * data.prediction68[t] + data.prediction68[t - 1]
        lengths.append(float(((second**2).sum(axis=1) ** 0.5).mean()))
    values["jitter"] = float(np.median(lengths))
    return values


def _frechet(first: np.ndarray, second: np.ndarray) -> float:
    # Twenty samples of 48 numbers: the covariances are singular, so the trace of the root of their
    # product comes from the samples, without any root of a matrix.
    a, b = ((x - x.mean(axis=0)) / (len(x) - 1) ** 0.5 for x in (first, second))
    offset = first.mean(axis=0) - second.mean(axis=0)
    overlap = np.linalg.norm(a @ b.T, "nuc")
    return float(offset @ offset + (a**2).sum() + (b**2).sum() - 2 * overlap)


if __name__ == "__main__":
    STORED.write_text(json.dumps(independent_values(twenty_images()), indent=1) + "\n")
