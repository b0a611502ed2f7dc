"""The paper's model on VoxCeleb.

    python -m reenact_jax.train --config configs/vox.py

Needs the packed dataset `voxceleb_pairs` (docs/data.md), `BFM_model_front.mat` and torchvision's
`vgg19-dcbb9e9d.pth`; a missing one is named together with how to get it. `configs/demo.py` runs
without any of them.

Sources. Names in quotation marks are sections of the paper, "Exploiting Multiple Guidance from 3DMM
for Face Reenactment". [PIRenderer]: Ren et al., ICCV 2021, and config/face.yaml of
github.com/RenYurui/PIRender, the nearest relative. [FOMM]: Siarohin et al., NeurIPS 2019, and
config/vox-256.yaml of github.com/AliaksandrSiarohin/first-order-model. [SPADE]: Park et al., CVPR
2019. [VGG]: Simonyan and Zisserman, ICLR 2015. "ours" marks a decision of this project.

What the paper leaves open and no key decides:

* Background of F_c and O_c: 0, with a face mask m, and M' = 1 - m (1 - M) in Eqs. 6 and 7, ours;
  Eq. 3 as printed would move the background out of the image.
* Back-facing triangles count as background, ours.
* The target's camera is that of the driving frame, since its picture is the truth.
* Pose in the descriptor: rotation and translation, re-expressed in the frame's own fixed camera,
  ours; with the expression 64 + 6 numbers, as Eq. 5 names them. [PIRenderer] adds the crop.
* F_p, O_p, M_f and M_o come at a quarter of the image's side, where [PIRenderer] has its flow.
* Without synthesis guidance, SPADE gives way to instance normalisation with a learned affine, ours.
* Losses: L1 means over relu1_1 ... relu5_1, weight 1 each; L_c at four scales, halved by 2x2 means;
  L_s at full scale on Gram matrices over (H W C). [PIRenderer], loss/perceptual.py.
* I_r: PCA albedo under nine bands of spherical harmonics (Eq. 2), -1 outside the face.
* Weights start as N(0, 0.02), biases as 0. [PIRenderer]
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    config = ml_collections.ConfigDict()
    config.name = "vox"
    config.seed = 0

    # "Datasets": VoxCeleb, cropped to 256 x 256.
    config.image_size = 256
    config.data = ml_collections.ConfigDict()
    config.data.name = "voxceleb_pairs"
    config.data.data_dir = "data"
    config.data.num_threads = 16

    # "Extraction": Basel Face Model 2009 (Paysan et al.) with the expressions of Guo et al., fitted
    # by the network of Deng et al., CVPRW 2019.
    config.face_model = ml_collections.ConfigDict()
    config.face_model.name = "bfm2009"
    config.face_model.path = "assets/BFM_model_front.mat"  # or the folder of the raw BFM files

    # Eqs. 2-4. O_c is tested against a depth raster of the source, ours: Eq. 4 as printed is
    # occlusion = "literal", and calls most visible pixels of this mesh occluded (docs/guidance.md).
    # The raster's side is fixed so that occlusion does not change with the image's.
    config.guidance = ml_collections.ConfigDict()
    config.guidance.occlusion = "depth"  # or "literal", "dilated"
    config.guidance.depth_raster_size = 512
    config.guidance.depth_tolerance = 0.025  # of the face's height

    # "Ablation", Table 3: Base has none of the three, then come FG, OG and SG.
    config.network = ml_collections.ConfigDict()
    config.network.flow_guidance = True  # FG
    config.network.occlusion_guidance = True  # OG
    config.network.reenactment = ml_collections.ConfigDict()
    config.network.reenactment.synthesis_guidance = True  # SG

    # Eqs. 6, 7 at the image's size, since F_c is h x w there; "pooled" brings F_c to F_p's, which
    # costs 0.4 pixels of flow on average. Ours.
    config.network.fusion = "full"
    config.network.dtype = "float32"

    # Completion network (Eq. 5): the paper gives no sizes. [PIRenderer]'s warping network, with 5
    # output channels in the place of 2, and three linear layers in that of its window of 27 frames
    # (ours: Eq. 5 takes one). 12.9 M parameters.
    config.network.completion = ml_collections.ConfigDict()
    config.network.completion.base_channels = 32
    config.network.completion.max_channels = 256
    config.network.completion.num_down = 5
    config.network.completion.num_up = 3
    config.network.completion.descriptor_hidden = 256
    config.network.completion.adain_hidden = 128

    # Reenactment network ("Reenacting", Fig. 4): [PIRenderer]'s editing network, every skip warped
    # by F and masked by O, with [SPADE]'s residual blocks and its 128 hidden channels in the place
    # of AdaIN's. 14.0 M parameters.
    config.network.reenactment.base_channels = 64
    config.network.reenactment.max_channels = 256
    config.network.reenactment.num_down = 3
    config.network.reenactment.num_residual_blocks = 2
    config.network.reenactment.spade_hidden = 128

    # Eqs. 8-10: L = L_c + 250 L_s on VGG-19 [VGG], lambda_s = 250 in "Training Details".
    # multi_scale_l1 is for configurations without trained VGG weights, ours.
    config.loss = ml_collections.ConfigDict()
    config.loss.perceptual = 1.0
    config.loss.style = 250.0
    config.loss.multi_scale_l1 = 0.0
    config.loss.vgg_weights = "assets/vgg19-dcbb9e9d.pth"

    # "Training Details": Adam, batch 8 (over all devices, our reading), 100 epochs, 1e-4 and after
    # epoch 60 1e-5. The betas are [PIRenderer]'s and [FOMM]'s. An epoch is not defined there: here
    # every one of the 17,913 training clips ("Datasets") once, 17,913 / 8 = 2,239 steps.
    config.train = ml_collections.ConfigDict()
    config.train.batch_size = 8
    config.train.num_epochs = 100
    config.train.steps_per_epoch = 2239
    config.train.learning_rate = 1e-4
    config.train.decay_after_epochs = 60
    config.train.decayed_learning_rate = 1e-5
    config.train.adam_beta1 = 0.5
    config.train.adam_beta2 = 0.999

    # Not in the paper, hence off. [PIRenderer] has 0.5 ** (32 / 10_000) = 0.997784, 200_000 steps
    # and True.
    config.train.ema_decay = 0.0
    config.train.warmup_steps = 0
    config.train.bidirectional = False

    # How the step is computed, which changes its memory and not its result.
    config.train.accumulate_steps = 1
    config.train.rematerialise = False

    # Ours.
    config.train.log_every_steps = 50
    config.train.sample_every_steps = 2239
    config.train.checkpoint_every_steps = 1000
    config.train.keep_checkpoints = 3

    # Ours: as many pairs at a time as in training. Which pairs are scored, and what AED, APD, CSIM
    # and FID compare, is in docs/evaluation.md.
    config.evaluate = ml_collections.ConfigDict()
    config.evaluate.batch_size = 8

    return config
