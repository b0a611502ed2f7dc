"""From raw videos to a packed dataset, against bare decoding and MediaPipe, in one run.

  python benchmarks/bm_preparation.py --frames 100 d12 d19 s29

Clips are those of $REENACT_SHARED/clips (default ../shared/clips).
The process keeps to one core, as each worker does (reenact_jax/data/workers.py), and times are
processor time. Every clip is prepared once before it is timed, because the fit is compiled for a
number of frames. At the end stands what the measured rates mean for VoxCeleb's 17,913 clips of 200
frames.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import av
import mediapipe
import numpy as np
from mediapipe.tasks.python.core.base_options import BaseOptions
from mediapipe.tasks.python.vision import FaceLandmarker as BareLandmarker
from mediapipe.tasks.python.vision import FaceLandmarkerOptions

from reenact_jax.data import builders, prepared
from reenact_jax.errors import run_command
from reenact_jax.face_model.ict import load_ict_facekit
from reenact_jax.tracking.landmarks import FaceLandmarker
from reenact_jax.tracking.track import TrackedClip, track_video

SHARED = Path(os.environ.get("REENACT_SHARED", "../shared"))
VOXCELEB_CLIPS, VOXCELEB_FRAMES = 17_913, 200
FRAMES_PER_SHARD = 4200  # whole clips of 200
ROUNDS = 3


def bare(landmarker: BareLandmarker, path: Path, num_frames: int) -> None:
    """Decodes and finds landmarks, and does nothing with them."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in itertools.islice(container.decode(video=0), num_frames):
            pixels = np.ascontiguousarray(frame.to_ndarray(format="rgb24"))
            landmarker.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels))


def write(root: Path, path: Path, clip: TrackedClip) -> None:
    prepared.write_clip(
        root,
        prepared.PreparedClip(
            path.stem, path.stem, "train", float(clip.fps), list(clip.frames), clip.parameters
        ),
        file_format="jpg",
    )


def main(options: argparse.Namespace) -> None:
    os.sched_setaffinity(
        0, {max(os.sched_getaffinity(0))}
    )  # before thread pools ask for their size
    model = load_ict_facekit(SHARED / "assets" / "ict_facekit.npz")
    asset = BaseOptions(model_asset_path=str(SHARED / "assets" / "face_landmarker.task"))
    bare_options = FaceLandmarkerOptions(base_options=asset, output_face_blendshapes=True)
    rows = []
    imported = time.process_time()
    with (
        tempfile.TemporaryDirectory() as folder,
        FaceLandmarker() as landmarker,
        BareLandmarker.create_from_options(bare_options) as bare_landmarker,
    ):
        root = Path(folder) / "prepared"
        prepared.write_dataset_info(root, name="benchmark", image_size=256, face_model=model)
        for name in options.clips:
            path = SHARED / "clips" / f"{name}.mp4"
            turns = []
            for _ in range(1 + ROUNDS):
                times = [time.process_time()]
                bare(bare_landmarker, path, options.frames)
                times.append(time.process_time())
                clip = track_video(path, model, max_frames=options.frames, landmarker=landmarker)
                times.append(time.process_time())
                write(root, path, clip)
                times.append(time.process_time())
                turns.append(np.diff(times))
            if not rows:
                start_up = sum(turns[0]) - sum(turns[-1]) + imported
            floor, track, write_out = np.median(turns[1:], axis=0) * 1e3 / options.frames
            rows.append((floor, track + write_out))
            print(
                f"{name}: decoding + MediaPipe {floor:5.1f} ms a frame; prepared clip "
                f"{track + write_out:5.1f} ms (tracking {track:.1f}, writing {write_out:.1f}): "
                f"{floor / (track + write_out):.2f} of the bare rate"
            )
        start = time.process_time()
        builders.pack(root, Path(folder) / "data", "clips")
        packing_ms = (time.process_time() - start) * 1e3 / (options.frames * len(options.clips))
    floor, whole = np.mean(rows, axis=0)
    print(f"mean: {1e3 / floor:.1f} and {1e3 / whole:.1f} frames/s and core: {floor / whole:.2f}")
    print(f"packing: {packing_ms:.2f} ms a frame; start of a process: {start_up:.0f} s")
    num_shards = -(-VOXCELEB_CLIPS * VOXCELEB_FRAMES // FRAMES_PER_SHARD)
    print("\ncores   preparing      packing")
    for cores in (1, 32, 1000):
        # Whole clips, and whole files, to a core; the last one to end has one more than others.
        clips, shards = -(-VOXCELEB_CLIPS // cores), -(-num_shards // cores)
        preparing = clips * VOXCELEB_FRAMES * whole / 1e3 + start_up
        packing = shards * FRAMES_PER_SHARD * packing_ms / 1e3
        print(f"{cores:5d}   {preparing / 60:7.1f} min  {packing / 60:7.2f} min")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="*", default=["d12", "d19", "s29"])
    parser.add_argument("--frames", type=int, default=100, help="of each clip")
    run_command(main, parser.parse_args())
