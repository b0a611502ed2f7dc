"""The study on `talking_heads` version 1 (docs/study.md): one run of it, named by an argument.

    python -m reenact_jax.train --config configs/study.py:full,seed=0

VARIANT is a row of the paper's Table 3: base, fg (+FG), fg_og (+OG), full (+SG). Of one seed, all
variants see the same pairs in the same order and start from the same values where they have the
same layers. `condition=fitted` takes parameters as a fit would find them. scripts/study.py trains
and scores all runs.
"""

import ml_collections

# variant -> flow guidance, occlusion guidance, synthesis guidance
VARIANTS = {
    "base": (False, False, False),
    "fg": (True, False, False),
    "fg_og": (True, True, False),
    "full": (True, True, True),
}
CONDITIONS = ("exact", "fitted")


def get_config(arguments: str = "full") -> ml_collections.ConfigDict:
    variant, *options = arguments.split(",")
    options = {"seed": "0", "condition": "exact"} | dict(one.split("=", 1) for one in options)
    if variant not in VARIANTS or options["condition"] not in CONDITIONS or len(options) > 2:
        raise ValueError(
            f"expected {'|'.join(VARIANTS)}[,seed=N][,condition={'|'.join(CONDITIONS)}], found "
            f"{arguments!r}"
        )
    flow, occlusion, synthesis = VARIANTS[variant]

    config = ml_collections.ConfigDict()
    config.name = f"study/{variant}-{options['condition']}-{options['seed']}"
    config.seed = int(options["seed"])

    config.image_size = 64
    config.data = ml_collections.ConfigDict()
    config.data.name = "talking_heads"
    config.data.data_dir = f"data/{options['condition']}"
    config.data.num_threads = 1

    config.face_model = ml_collections.ConfigDict()
    config.face_model.name = "procedural-full"
    config.face_model.path = ""

    config.guidance = ml_collections.ConfigDict()
    config.guidance.occlusion = "depth"
    config.guidance.depth_raster_size = 256
    config.guidance.depth_tolerance = 0.025

    # The paper's networks at a fraction of their width.
    config.network = ml_collections.ConfigDict()
    config.network.flow_guidance = flow
    config.network.occlusion_guidance = occlusion
    config.network.fusion = "full"
    config.network.dtype = "float32"
    config.network.completion = ml_collections.ConfigDict()
    config.network.completion.base_channels = 16
    config.network.completion.max_channels = 64
    config.network.completion.num_down = 4
    config.network.completion.num_up = 2
    config.network.completion.descriptor_hidden = 64
    config.network.completion.adain_hidden = 32
    config.network.reenactment = ml_collections.ConfigDict()
    config.network.reenactment.base_channels = 16
    config.network.reenactment.max_channels = 64
    config.network.reenactment.num_down = 3
    config.network.reenactment.num_residual_blocks = 2
    config.network.reenactment.spade_hidden = 16
    config.network.reenactment.synthesis_guidance = synthesis

    # L1 on an image pyramid alone: the paper's loss needs trained VGG-19 weights.
    config.loss = ml_collections.ConfigDict()
    config.loss.perceptual = 0.0
    config.loss.style = 0.0
    config.loss.multi_scale_l1 = 10.0
    config.loss.vgg_weights = "random"

    # 400 training clips are 100 batches of 4: an epoch visits each once.
    config.train = ml_collections.ConfigDict()
    config.train.batch_size = 4
    config.train.num_epochs = 30
    config.train.steps_per_epoch = 100
    config.train.learning_rate = 5e-4
    config.train.decay_after_epochs = 24
    config.train.decayed_learning_rate = 1e-4
    config.train.adam_beta1 = 0.5
    config.train.adam_beta2 = 0.999
    config.train.log_every_steps = 100
    config.train.sample_every_steps = 0
    config.train.checkpoint_every_steps = 500
    config.train.keep_checkpoints = 1

    config.evaluate = ml_collections.ConfigDict()
    config.evaluate.batch_size = 8

    return config
