"""What one training step reports, averaged over steps and devices by clu."""

from clu import metrics

from reenact_jax.losses.total import LossWeights


def train_metrics(weights: LossWeights) -> type[metrics.Collection]:
    """The metrics of a run: means since the last log line or checkpoint, and the last rate.

    The loss terms are reported unweighted, and only those that have a weight.
    """
    terms = [f"loss_{name}" for name, weight in vars(weights).items() if weight]
    means = {name: metrics.Average.from_output(name) for name in ("loss", *terms, "gradient_norm")}
    return metrics.Collection.create(
        **means, learning_rate=metrics.LastValue.from_output("learning_rate")
    )
