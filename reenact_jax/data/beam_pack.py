"""Packing on an Apache Beam engine: one job a shard, nothing else travels.

Images do not pass through Beam: a worker reads its clips and writes its file, so the folders of
clips and of the dataset must be seen under the same paths by all workers. TFDS's own Beam writers
are not used: the general one sends every record through a shuffle and assigns records to files by
their keys, which would cut clips apart, and the one for shards (TFDS 4.9.10) reads the lengths of
the shards back in the order of their numbers as text, so that with eleven shards or more the
lengths belong to other files.
"""

from collections.abc import Sequence

from reenact_jax.data.shards import Shard, is_written, write_shard
from reenact_jax.errors import UserError


def pipeline_options(values: Sequence[str]):
    """`KEY=VALUE` or `KEY` -> Beam's `PipelineOptions`; unknown keys are for the engine to judge.

    Raises:
      UserError: if Beam is not installed.
    """
    _beam()
    from apache_beam.options.pipeline_options import PipelineOptions

    return PipelineOptions([f"--{value}" for value in values])


def write_with_beam(shards: Sequence[Shard], runner, options=None, label: str = "shards") -> None:
    """Writes shards on a Beam engine and waits for it.

    A bundle that Beam tries twice, even at the same time, does no harm: files appear whole, and
    both have the same content.

    Args:
      shards: of a dataset.
      runner: name or object of a Beam runner.
      options: `apache_beam.options.pipeline_options.PipelineOptions`, or None.
      label: name of the step.

    Raises:
      UserError: if Beam is not installed, or a file is missing when the engine says it is done.
    """
    beam = _beam()
    missing = [shard for shard in shards if not is_written(shard)]
    if not missing:
        return
    with beam.Pipeline(runner=runner, options=options) as pipeline:
        _ = (
            pipeline
            | f"List {label}" >> beam.Create(missing, reshuffle=True)
            | f"Write {label}" >> beam.Map(write_shard)
        )
    for shard in missing:
        if not is_written(shard):
            raise UserError(
                f"{shard.path}: expected it when the Beam pipeline had ended, found nothing: the "
                "workers must see this folder under this path"
            )


def _beam():
    try:
        import apache_beam
    except ImportError as err:
        raise UserError(
            "Apache Beam is not installed: pip install 'reenact-jax[beam]', here and on the workers"
        ) from err
    return apache_beam
