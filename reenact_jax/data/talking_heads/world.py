"""Writes a synthetic world: prepared folders with clips and pairs, and the truth about pairs."""

import contextlib
import json
import multiprocessing
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
from tqdm import tqdm

from reenact_jax.data import prepared
from reenact_jax.data.talking_heads.clips import POSE_BINS, clip_name, make_pairs
from reenact_jax.data.talking_heads.guidance_conditions import noise_amount
from reenact_jax.data.talking_heads.spec import CONDITIONS, NAME, VERSION, WorldSpec
from reenact_jax.data.talking_heads.writing import (
    condition_root,
    has_clip,
    missing_pairs,
    write_clip,
    write_pairs,
)
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.files import write_text


def write_world(
    spec: WorldSpec, root: str | Path, *, num_workers: int = 1, progress: bool = False
) -> dict:
    """Writes the world as prepared folders, one for each condition of guidance.

    `root` has the exact parameters, `root`/fitted the fitted ones with the same frames (hard links
    where the file system has them). `root`/truth/PAIR has the masks of a pair and how far I_r alone
    is from its answer; `root`/report.json has the means.

    What is already there is kept, so a run that was stopped can be repeated. The files do not
    depend on the number of workers.

    Args:
      spec: what to write.
      root: the folder; made if need be.
      num_workers: processes that render.
      progress: show progress bars.

    Returns:
      The content of report.json.

    Raises:
      UserError: if the folder holds another dataset.
      StorageError: if the disk is full.
    """
    root = Path(root)
    for condition in CONDITIONS:
        prepared.write_dataset_info(
            condition_root(root, condition),
            name=NAME,
            image_size=spec.image_size,
            face_model=procedural_head(spec.head),
            specification=spec.condition_hash(condition),
        )
    clips = [
        (spec, root, person, number)
        for person in range(spec.num_people)
        for number in range(spec.clips_per_person)
        if not has_clip(root, clip_name(person, number))
    ]
    all_pairs = make_pairs(spec)
    by_source = defaultdict(list)
    for pair in missing_pairs(root, all_pairs):
        by_source[pair.source[0]].append(pair)
    pairs = [(spec, root, source, tuple(group)) for source, group in sorted(by_source.items())]
    with _workers(min(num_workers, max(len(clips), len(pairs)))) as run:
        for function, tasks, label in (
            (write_clip, clips, "clips"),
            (write_pairs, pairs, "answers"),
        ):
            with tqdm(total=len(tasks), desc=label, unit="clip", disable=not progress) as bar:
                for _ in run(function, tasks):
                    bar.update()
    report = make_report(spec, root, [pair.pair_id for pair in all_pairs])
    write_text(root / "report.json", json.dumps(report, indent=2) + "\n")
    return report


@contextlib.contextmanager
def _workers(num_workers: int) -> Iterator[Callable]:
    """A function (function, tasks) -> results as they come, in this process or in several."""
    if num_workers <= 1:
        yield lambda function, tasks: (function(*task) for task in tasks)
        return
    # Forking a process in which JAX runs threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_workers, mp_context=context) as pool:

        def run(function: Callable, tasks: list[tuple]) -> Iterator:
            for future in as_completed([pool.submit(function, *task) for task in tasks]):
                yield future.result()

        try:
            yield run
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def make_report(spec: WorldSpec, root: Path, pair_ids: list[str]) -> dict:
    """Means over the evaluation pairs of what truth.json says about each."""
    facts = [json.loads((root / "truth" / name / "truth.json").read_text()) for name in pair_ids]
    report = {
        "world": NAME,
        "version": VERSION,
        "specification": spec.hash(),
        "people": {"train": spec.num_train_people, "test": spec.num_test_people},
        "frames": spec.num_people * spec.clips_per_person * spec.frames_per_clip,
        "noise_amount": noise_amount(spec.head),
        "pairs": {},
    }
    for kind in prepared.PAIR_KINDS:
        own = [fact for fact in facts if fact["kind"] == kind]
        if not own:
            continue
        degrees = np.array([fact["pose_difference"] for fact in own])
        bins = {
            f"{low:g}-{high:g}": int(((degrees >= low) & (degrees < high)).sum())
            for low, high in zip(POSE_BINS, POSE_BINS[1:], strict=False)
        }
        summary = {"count": len(own), "pose_difference_degrees": bins}
        for name in ("visible_share", "covered_share", "landmark_error"):
            summary[name] = float(np.mean([fact[name] for fact in own]))
        for name in ("rendering_psnr_face", "rendering_psnr_uncovered"):
            summary[name] = {
                condition: float(np.mean([fact[name][condition] for fact in own]))
                for condition in CONDITIONS
            }
        report["pairs"][kind] = summary
    return report


def report_lines(report: dict) -> list[str]:
    """What a reader of the terminal wants to know of a report."""
    lines = []
    for kind, summary in report["pairs"].items():
        whole, open_ = summary["rendering_psnr_face"], summary["rendering_psnr_uncovered"]
        for condition in CONDITIONS:
            lines.append(
                f"{kind} pairs, {condition} parameters: I_r alone has {whole[condition]:.1f} dB in "
                f"the face against the truth, {open_[condition]:.1f} dB where nothing covers it"
            )
        lines.append(f"{kind} pairs: fitted landmarks off by {summary['landmark_error']:.2f} px")
    return lines
