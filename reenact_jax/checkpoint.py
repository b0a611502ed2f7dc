"""Checkpoints through Orbax: network parameters, optimiser, and how far the run has come.

Parameters are an item of their own, so that evaluation reads them without the optimiser. What is
kept: the newest few, and the best one by its score.
"""

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from reenact_jax.errors import UserError

logger = logging.getLogger(__name__)

Tree = TypeVar("Tree")

LATEST = "latest"
BEST = "best"
# What Orbax and TensorStore raise for files that are cut short, damaged or gone.
_READ_ERRORS = (ValueError, OSError, KeyError, AttributeError, TypeError)
# And for a disk that is full or gone: TensorStore turns the system's errors into ValueErrors.
_WRITE_ERRORS = (OSError, ValueError, RuntimeError)


class UnreadableCheckpoint(UserError):
    """A checkpoint whose files are damaged."""


class Checkpoints:
    """The checkpoints of one run: `<folder>/<step>`.

    A checkpoint is written under a temporary name and renamed when it is complete (by Orbax), so a
    run that is killed while writing goes on from the one before. One process writes; others of the
    same run may read the same folder.
    """

    def __init__(self, folder: Path, *, keep: int | None = None):
        """Opens a run's checkpoints.

        Args:
          folder: their folder, made if it is to be written to.
          keep: how many of the newest are kept, beside the best; None = only read.
        """
        if keep is not None:
            folder.mkdir(parents=True, exist_ok=True)
        # No barriers: each process of a run stands alone here, and only one of them writes.
        alone = ocp.options.MultiprocessingOptions(
            primary_host=jax.process_index(),
            active_processes={jax.process_index()},
            barrier_sync_key_prefix=f"process{jax.process_index()}",
        )
        options = ocp.CheckpointManagerOptions(
            preservation_policy=_NewestAndBest(keep, self._best_of),
            create=False,
            cleanup_tmp_directories=keep is not None,  # what a killed run has left
            # Written by a thread of our own. Orbax's loses an error while writing and deletes old
            # checkpoints all the same (0.12.8).
            enable_async_checkpointing=False,
            multiprocessing_options=alone,
        )
        # Named handlers let a fresh manager read the shapes of what another process wrote.
        self._manager = ocp.CheckpointManager(
            folder.absolute(),
            options=options,
            item_handlers={
                "params": _tree_handler(alone),
                "optimizer": _tree_handler(alone),
                "progress": ocp.JsonCheckpointHandler(multiprocessing_options=alone),
                "score": ocp.JsonCheckpointHandler(multiprocessing_options=alone),
            },
        )
        self._writer = ThreadPoolExecutor(1, "checkpoints")
        self._writing: Future | None = None
        # Read now: while one is being written nothing else is asked of the manager.
        self._scores = {step: self._read_score(step) for step in self.steps}

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        if kind is None:
            self.close()
            return
        try:  # the exception on its way says more than this one would
            self.close()
        except Exception as error:
            logger.warning("%s", error)

    @property
    def folder(self) -> Path:
        return Path(self._manager.directory)

    @property
    def steps(self) -> list[int]:
        """Steps of all complete checkpoints, oldest first; waits for one that is being written."""
        self._wait()
        return sorted(self._manager.all_steps())

    @property
    def latest_step(self) -> int | None:
        return max(self.steps, default=None)

    @property
    def best_step(self) -> int | None:
        """The step with the highest score, the first of equals; None without any score."""
        return self._best_of(self.steps)

    def find(self, choice: str) -> int:
        """The step that a word stands for.

        Args:
          choice: `latest`, `best` or the number of a step.

        Raises:
          UserError: if there is no such checkpoint.
        """
        steps = self.steps
        if not steps:
            raise UserError(f"{self.folder} holds no complete checkpoint yet: train on, or wait")
        if choice == LATEST:
            return steps[-1]
        if choice == BEST:
            best = self.best_step
            if best is None:
                raise UserError(
                    f"{self.folder}: no checkpoint there has a score: take `{LATEST}` or one of "
                    f"the steps {_listed(steps)}"
                )
            return best
        if not choice.isdecimal() or int(choice) not in steps:
            raise UserError(
                f"--checkpoint: expected `{LATEST}`, `{BEST}` or one of the steps "
                f"{_listed(steps)} in {self.folder}, found {choice!r}"
            )
        return int(choice)

    def save(
        self,
        step: int,
        params: dict,
        optimizer: Tree,
        progress: dict[str, Any],
        *,
        score: float | None = None,
    ) -> None:
        """Starts writing in the background. Arrays must be unreplicated host arrays.

        Args:
          step: completed updates.
          params: the parameters that are used after training.
          optimizer: what training needs beside them.
          progress: fit for JSON.
          score: higher is better; the best one is kept.

        Raises:
          UserError: if this one, or the one before, cannot be written.
        """
        if step in self.steps:
            return
        items = ocp.args.Composite(
            params=ocp.args.StandardSave(params),
            optimizer=ocp.args.StandardSave(optimizer),
            progress=ocp.args.JsonSave(progress),
            score=ocp.args.JsonSave({"score": score}),
        )
        self._scores[step] = score
        self._writing = self._writer.submit(self._manager.save, step, args=items, force=True)

    def restore(
        self, params: dict, optimizer: Tree, step: int | None = None
    ) -> tuple[dict, Tree, dict[str, Any]]:
        """Reads a checkpoint; the trees given say structure, shapes and dtypes.

        Args:
          step: which one; None = the newest.

        Raises:
          UnreadableCheckpoint: if its files are damaged.
          UserError: if it is a checkpoint of another network.
        """
        items = ocp.args.Composite(
            params=ocp.args.StandardRestore(_abstract(params)),
            optimizer=ocp.args.StandardRestore(_abstract(optimizer)),
            progress=ocp.args.JsonRestore(),
        )
        restored = self._restore(params, items, step)
        return restored.params, restored.optimizer, restored.progress

    def restore_params(self, params: dict, step: int | None = None) -> dict:
        """Reads the network parameters of one checkpoint alone. Raises like `restore`."""
        items = ocp.args.Composite(params=ocp.args.StandardRestore(_abstract(params)))
        return self._restore(params, items, step).params

    def set_aside(self, step: int) -> Path:
        """Moves a checkpoint out of the way, to `<folder>_unreadable/<step>`."""
        aside = self.folder.with_name(f"{self.folder.name}_unreadable") / str(step)
        aside.parent.mkdir(exist_ok=True)
        os.replace(self.folder / str(step), aside)
        self.reload()
        return aside

    def reload(self) -> None:
        """Looks again at what there is."""
        self._manager.reload()

    def close(self) -> None:
        """Waits for what is still being written.

        Raises:
          UserError: if it cannot be written.
        """
        try:
            self._wait()
        finally:
            self._writer.shutdown()
            self._manager.close()

    def _wait(self) -> None:
        """Until nothing is being written; raises what went wrong there, once."""
        writing, self._writing = self._writing, None
        try:
            if writing is not None:
                writing.result()
        except _WRITE_ERRORS as error:
            raise self._cannot_write(error) from error

    def _restore(
        self, params: dict, items: ocp.args.Composite, step: int | None
    ) -> ocp.args.Composite:
        step = self.latest_step if step is None else step
        folder = self.folder / str(step)
        try:
            found = _shapes(self._manager.item_metadata(step).params)
            _check_same_network(folder, expected=_shapes(params), found=found)
            return self._manager.restore(step, args=items)
        except UserError:
            raise
        except _READ_ERRORS as error:
            others = [other for other in self.steps if other != step]
            way_on = f"take another one ({_listed(others)})" if others else "there is no other one"
            raise UnreadableCheckpoint(
                f"the checkpoint {folder} cannot be read ({error}): {way_on}"
            ) from error

    def _best_of(self, steps: Iterable[int]) -> int | None:
        scored = [(self._scores[s], -s) for s in steps if self._scores.get(s) is not None]
        return -max(scored)[1] if scored else None

    def _read_score(self, step: int) -> float | None:
        items = ocp.args.Composite(score=ocp.args.JsonRestore())
        try:
            return self._manager.restore(step, args=items).score["score"]
        except _READ_ERRORS:
            return None  # a damaged checkpoint is not the best one

    def _cannot_write(self, error: Exception) -> UserError:
        steps = [int(path.name) for path in self.folder.iterdir() if path.name.isdecimal()]
        kept = f"that of step {max(steps)} is complete" if steps else "there is none yet"
        return UserError(
            f"a checkpoint cannot be written to {self.folder} ({error}): make room there, and the "
            f"same command goes on from the newest checkpoint ({kept})"
        )


def _tree_handler(alone: ocp.options.MultiprocessingOptions) -> ocp.StandardCheckpointHandler:
    return ocp.StandardCheckpointHandler(multiprocessing_options=alone)


class _NewestAndBest(checkpoint_managers.PreservationPolicy):
    """Keeps the newest few checkpoints, and the best."""

    def __init__(self, num_newest: int | None, best_of: Callable[[Iterable[int]], int | None]):
        self._num_newest = num_newest
        self._best_of = best_of

    def should_preserve(
        self,
        checkpoints: Sequence[checkpoint_managers.PolicyCheckpointInfo],
        *,
        context: checkpoint_managers.PreservationContext,
    ) -> list[bool]:
        """Orbax's question; `checkpoints` is sorted by step."""
        del context
        steps = [checkpoint.step for checkpoint in checkpoints]
        kept = {*steps[-(self._num_newest or 0) :], self._best_of(steps)}
        return [step in kept for step in steps]


def _listed(steps: list[int]) -> str:
    return ", ".join(str(step) for step in steps)


def _check_same_network(folder: Path, *, expected: dict, found: dict) -> None:
    names = sorted(found.keys() | expected.keys())
    differing = [name for name in names if found.get(name) != expected.get(name)]
    if differing:
        first = differing[0]
        raise UserError(
            f"{folder} is a checkpoint of another model: {len(differing)} of {len(names)} arrays "
            f"differ, first {first}: expected {expected.get(first, 'none')}, found "
            f"{found.get(first, 'none')}; use the configuration that it was trained with, or "
            "another --workdir"
        )


def _abstract(tree: Tree) -> Tree:
    return jax.tree.map(ocp.utils.to_shape_dtype_struct, tree)


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    """Path -> shape of every array, comparable across container types."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape)
        for path, leaf in leaves
    }
