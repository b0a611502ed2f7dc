"""TensorBoard event files through CLU, where the extra `tensorboard` is installed."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clu.metric_writers import MetricWriter


def open_tensorboard(folder: Path) -> "MetricWriter | None":
    """A writer of event files in `folder`; None without the extra.

    CLU writes them with TensorFlow, which is imported nowhere else.
    """
    if not all(map(importlib.util.find_spec, ("tensorflow", "tensorboard"))):
        return None
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")  # it would take the memory that training needs
    from clu.metric_writers import SummaryWriter

    return SummaryWriter(str(folder))
