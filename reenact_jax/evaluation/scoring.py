"""`score_pairs`: a trained run and a list of pairs in, a table with one row a pair out."""

import dataclasses
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from reenact_jax import __version__
from reenact_jax.data.frames import PairDataset, open_frames
from reenact_jax.data.info import check_face_model
from reenact_jax.data.pipeline import pair_batches
from reenact_jax.data.pose_difference import pose_difference
from reenact_jax.data.truth_masks import TruthMasks, read_truth
from reenact_jax.errors import UserError
from reenact_jax.evaluation.distances import RealSets, SetMoments, networks
from reenact_jax.evaluation.pair_table import FACE, HIDDEN, PairTable, join_tables
from reenact_jax.evaluation.parts import content_key, params_hash, read_part, write_part
from reenact_jax.evaluation.pictures import make_pictures
from reenact_jax.evaluation.predictions import Predictions
from reenact_jax.evaluation.scorers import ImageScorer, Scorer, Scores
from reenact_jax.inference.run import TrainedRun
from reenact_jax.metrics.frechet import Moments

# Pairs in a file: what a kill may cost.
_PART = 64


@dataclasses.dataclass(frozen=True)
class ScoredPairs:
    """What `score_pairs` found.

    Attributes:
      table: one row a pair, in the order of the list.
      facts: what decided the numbers (JSON): run, pairs, scorers.
      masks: where the regions come from, `truth` or `guidance`.
      codec: of the stored frames, `png` or `jpg`.
      moments: `KIND/SET/NETWORK` -> moments of features, of results and real pictures; the table
        itself has no features.
      seconds: time of this call, without what was read from finished parts.
      num_scored: pairs scored in this call; the others were read.
    """

    table: PairTable
    facts: dict[str, Any]
    masks: str
    codec: str
    moments: dict[str, Moments]
    seconds: float
    num_scored: int


def score_pairs(
    run: TrainedRun | Predictions,
    pairs: PairDataset,
    *,
    scorers: Sequence[Scorer] = (ImageScorer(),),
    kind: str | None = None,
    parts_dir: str | Path | None = None,
    reference_dir: str | Path | None = None,
    transfer_pose: bool = True,
    transfer_expression: bool = True,
    progress: bool = True,
) -> ScoredPairs:
    """Makes every pair's picture once and scores it, beside three baselines.

    The table's columns are described in `PairTable`: `table.pairs` has pair_id, kind,
    source_identity, pose_difference and more; `table.scores["model/face/psnr"]` is one number a
    pair. Methods are `model` and the `BASELINES`; regions are `frame`, `face`, `visible` (in the
    source) and `hidden`. On a world with true masks (truth.npz beside the packed dataset) they are
    the true ones, whatever the parameters; elsewhere they come from the guidance. For example

        scored = score_pairs(load_run(config, workdir), open_pairs("data/exact", "talking_heads"))
        cross = scored.table.of_kind("cross")
        cross.score("psnr", region="hidden") - cross.score("psnr", region="hidden", method="warp")
        cross.pose_bins(), cross.pairs["source_identity"]

    Args:
      run: the trained run, or pictures that other code has made.
      pairs: of `open_pairs` or `open_listed_pairs`.
      scorers: what is measured.
      kind: `self` or `cross` for pairs of that kind alone; None for all.
      parts_dir: folder for finished parts of 64 pairs. The same call goes on after the last one,
        and a finished one is read; parts of other parameters, pairs or scorers are not. None keeps
        nothing.
      reference_dir: folder for the moments of the real pictures' features, which are made once for
        all runs; None keeps nothing.
      transfer_pose, transfer_expression: off for disentangled reenactment; pictures then have no
        true masks, and a true answer only where the pairs are `disentangled.PartialAnswers`.
      progress: show a bar with pairs per second and the time left.

    Raises:
      UserError: if the pairs belong to another face model, or none is of that kind.
    """
    check_face_model(pairs.info, run.face_model)
    transfer = {"transfer_pose": transfer_pose, "transfer_expression": transfer_expression}
    whole = all(transfer.values())
    answered = whole or getattr(pairs, "transfer", None) == transfer
    truth = read_truth(pairs.root) if whole else None
    if truth is not None and truth.list_hash != pairs.list_hash:
        truth = None  # other pairs were drawn over the same frames
    facts = _facts(run, pairs, scorers, transfer, truth, kind) | {"answered": answered}
    chosen = [i for i in range(len(pairs)) if kind is None or pairs.kind(i) == kind]
    if not chosen:
        raise UserError(
            f"dataset {pairs.info.name}: expected pairs{f' of kind {kind}' if kind else ''} in the "
            "list, found none: draw them with scripts/draw_pairs.py"
        )
    frames = open_frames(pairs.root.parent, pairs.root.name, "test")
    persons = {clip.clip_id: clip.person_id for clip in frames.clips}
    batch_size = run.config.evaluate.batch_size
    size = batch_size * max(1, _PART // batch_size)
    folder = None if parts_dir is None else Path(parts_dir) / content_key(facts)
    real_sets = _real_sets(reference_dir, facts, [pairs.kind(i) for i in chosen])
    known = real_sets.load() if real_sets else None
    moments = SetMoments(known)

    def score(batch: dict) -> PairTable:
        if not answered:
            batch = batch | {"has_target": np.zeros_like(batch["has_target"])}
        pictures = make_pictures(run, batch, truth, **transfer)
        pictures = dataclasses.replace(pictures, real_features=known is None)
        found = [scorer.score(pictures) for scorer in scorers]
        shares = {f"{name}_share": pictures.regions[name].mean((1, 2)) for name in (FACE, HIDDEN)}
        return _table(found, {"has_target": batch["has_target"]} | shares).rows(batch["valid"])

    parts = [
        SomePairs(pairs, chosen[start : start + size]) for start in range(0, len(chosen), size)
    ]
    paths = [
        None if folder is None else folder / f"part-{number:05d}.npz"
        for number in range(len(parts))
    ]
    wanted = () if known else _real_columns(networks(facts["scorers"]))
    tables: list[PairTable | None] = []
    for path, part in zip(paths, parts, strict=True):
        table = _finished(path, part, wanted)
        if table is not None:
            moments.add(table)
            table = dataclasses.replace(table, features={})
        tables.append(table)
    num_read = sum(0 if table is None else len(table) for table in tables)
    started = time.perf_counter()
    with tqdm(
        total=len(chosen), initial=num_read, desc="score", unit="pair", disable=not progress
    ) as bar:
        for number, (path, part) in enumerate(zip(paths, parts, strict=True)):
            if tables[number] is not None:
                continue
            pieces = []
            for batch in _ahead(
                pair_batches(part, batch_size=batch_size, image_size=run.config.image_size)
            ):
                pieces.append(score(batch))
                bar.update(int(batch["valid"].sum()))
            table = join_tables(pieces)
            table = dataclasses.replace(table, pairs=part.about(persons, truth) | table.pairs)
            if path is not None:
                write_part(path, table)
            moments.add(table)
            tables[number] = dataclasses.replace(table, features={})
    found = moments.all()
    if real_sets and not known:
        real_sets.save(found)
    return ScoredPairs(
        table=join_tables(tables),
        facts=facts,
        masks=facts["masks"],
        codec=frames.codec,
        moments=found,
        seconds=time.perf_counter() - started,
        num_scored=len(chosen) - num_read,
    )


class SomePairs(Sequence):
    """Some pairs of a dataset; remembers who they are as they are read."""

    def __init__(self, pairs: PairDataset, rows: list[int]):
        self._pairs, self._rows = pairs, rows
        self._seen: dict[int, dict] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict:
        pair = self._pairs[self._rows[index]]
        self._seen[index] = {k: v for k, v in pair.items() if not k.endswith("image")}
        return pair

    def about(self, persons: dict[str, str], truth: TruthMasks | None) -> dict[str, np.ndarray]:
        """Columns that say what the pairs are; all must have been read."""
        seen = [self._seen[index] for index in range(len(self))]
        columns = {
            "pair_id": [pair["pair_id"] for pair in seen],
            "kind": [pair["kind"] for pair in seen],
        }
        for role in ("source", "driving"):
            clips = [pair[f"{role}_clip_id"] for pair in seen]
            columns[f"{role}_identity"] = [persons[clip] for clip in clips]
            columns[f"{role}_clip"] = clips
            columns[f"{role}_frame"] = [pair[f"{role}_frame_index"] for pair in seen]
        if truth is None:
            turns = [np.stack([p[role].rotation for p in seen]) for role in ("source", "driving")]
            columns["pose_difference"] = pose_difference(*turns)
        else:
            rows = [truth.rows[pair["pair_id"]] for pair in seen]
            columns["pose_difference"] = truth.pose_difference[rows]
        return {name: np.asarray(column) for name, column in columns.items()}


def _finished(path: Path | None, part: SomePairs, wanted: Collection[str]) -> PairTable | None:
    table = None if path is None else read_part(path)
    whole = table is not None and len(table) == len(part) and table.features.keys() >= {*wanted}
    return table if whole else None


def _real_columns(networks: Collection[str]) -> list[str]:
    return [f"{real}/{network}" for network in networks for real in ("source", "driving")]


def _real_sets(
    folder: str | Path | None, facts: dict[str, Any], kinds: list[str]
) -> RealSets | None:
    found = networks(facts["scorers"])
    if folder is None or not found:
        return None
    made_of = {name: facts[name] for name in ("pairs", "kind", "content", "image_size")}
    of = [one for one in facts["scorers"] if one.get("distances")]
    return RealSets(Path(folder), sorted({*kinds}), list(found), made_of | {"scorers": of})


def _facts(
    run: TrainedRun | Predictions,
    pairs: PairDataset,
    scorers: Sequence[Scorer],
    transfer: dict[str, bool],
    truth: TruthMasks | None,
    kind: str | None,
) -> dict[str, Any]:
    return {
        "reenact-jax": __version__,
        "params": params_hash(run.params),
        "step": run.step,
        "network": dataclasses.asdict(run.config.network),
        "guidance": dataclasses.asdict(run.config.guidance),
        "image_size": run.config.image_size,
        "batch_size": run.config.evaluate.batch_size,
        "pairs": pairs.list_hash,
        "kind": kind,
        "content": pairs.content,
        "dataset": pairs.info.to_dict(),
        "masks": "guidance" if truth is None else "truth",
        "transfer": transfer,
        "scorers": [scorer.describe() for scorer in scorers],
    }


def _table(found: list[Scores], pairs: dict[str, np.ndarray]) -> PairTable:
    columns: dict[str, dict] = {"scores": {}, "reasons": {}, "features": {}}
    for one in found:
        for group, known in columns.items():
            known |= getattr(one, group)
    return PairTable(pairs, **columns)


def _ahead(batches: Iterator[dict]) -> Iterator[dict]:
    """The same batches; while one is scored, the next is read and decoded."""
    take: Callable[[], dict | None] = lambda: next(batches, None)  # noqa: E731
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(take)
        while (batch := future.result()) is not None:
            future = pool.submit(take)
            yield batch
