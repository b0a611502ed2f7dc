"""What a run writes beside its checkpoints: logs, pictures, curves, a report."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from clu import parameter_overview

from reenact_jax.config import Config, to_json
from reenact_jax.errors import UserError
from reenact_jax.files import write_text
from reenact_jax.media import write_image
from reenact_jax.training.fixed_pairs import Drawn
from reenact_jax.training.log import MetricsLog
from reenact_jax.training.report import write_report
from reenact_jax.training.tensorboard import open_tensorboard

logger = logging.getLogger(__name__)

METRICS = "metrics.jsonl"
SCORES = "scores.jsonl"


class RunFolder:
    """The files of a run; made by the one process that writes.

    Everything follows from the state and the data alone (no times), so that a run that was stopped
    leaves the same files as one that was not; times go to the terminal and to TensorBoard.
    """

    def __init__(self, folder: Path, config: Config, params: dict, start_step: int):
        """Opens the logs; what lies behind `start_step` in them is dropped.

        Raises (as all methods do):
          UserError: if the folder cannot be written to.
        """
        self._folder = folder
        self._config = config
        with _disk_errors_named(folder):
            write_text(folder / "config.json", to_json(config))
            overview = parameter_overview.get_parameter_overview(params, include_stats=False)
            write_text(folder / "parameters.txt", overview + "\n")
            self._metrics = MetricsLog(folder / METRICS, start_step=start_step)
            self._scores = MetricsLog(folder / SCORES, start_step=start_step)
            self._tensorboard = open_tensorboard(folder / "tensorboard")

    def log(self, step: int, means: dict[str, float], timing: dict[str, float]) -> None:
        """One line of metrics; `timing` for TensorBoard alone."""
        with _disk_errors_named(self._folder):
            self._metrics.append({"step": step} | means)
            if self._tensorboard:
                scalars = {f"train/{name}": value for name, value in means.items()}
                scalars |= {f"timing/{name}": value for name, value in timing.items()}
                self._tensorboard.write_scalars(step, scalars)

    def show(self, step: int, drawn: Drawn, score: float) -> None:
        """The fixed pairs: pictures and score, and the report as it stands."""
        with _disk_errors_named(self._folder):
            pictures = self._folder / "samples"
            pictures.mkdir(exist_ok=True)
            write_image(pictures / f"step_{step:06d}.png", drawn.grid)
            self._scores.append({"step": step, "psnr": score})
            if self._tensorboard:
                images = {f"samples/{name}": maps for name, maps in drawn.maps.items()}
                images["samples/grid"] = drawn.grid[None]
                self._tensorboard.write_images(step, images)
                self._tensorboard.write_scalars(step, {"fixed_pairs/psnr": score})
                self._tensorboard.flush()
            self.report()

    def report(self) -> None:
        """report.md and its curves."""
        with _disk_errors_named(self._folder):
            write_report(self._folder, self._config, self._metrics.records, self._scores.records)

    def close(self) -> None:
        if self._tensorboard:
            self._tensorboard.close()


@contextlib.contextmanager
def _disk_errors_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written to ({error}): make room there, and the same command goes "
            "on from the newest checkpoint"
        ) from error
