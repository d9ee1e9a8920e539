"""Small hierarchical models for 28 × 28 images, a Swin and a ConvNeXt: families that no plain ViT stands for.

Both are the classifiers of transformers, with blocks whose hidden states shrink in the image and grow in channels from
stage to stage; those of the ConvNeXt are maps with channels first. Every setting that decides the model is named here,
so that another default in another version of transformers makes no other model.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from expunge.zoo._small_vit import SIDE

if TYPE_CHECKING:
    from transformers import ConvNextForImageClassification, SwinForImageClassification


@dataclass(frozen=True, slots=True)
class SwinShape:
    """Size of a Swin transformer (Liu et al., arXiv 2103.14030).

    With the defaults a stage of 7 × 7 tokens, padded to 8 × 8 so that windows of 4 fit and shifted in its second
    block, is merged to a stage of 4 × 4, which is one window. There is no dropout and no stochastic depth, as in the
    recipe of the other small models.

    Attributes:
        patch: Pixels a side that become one token.
        dim: Channels of the first stage; each further stage has twice as many.
        blocks: Blocks of each stage.
        heads: Attention heads of each stage.
        window: Tokens a side that attend to each other; no stage may have fewer.
        expansion: How much wider the FFN is inside.
        spread: Standard deviation of the first weights: about what PyTorch's own start has for 32 inputs. The paper's
            0.02 is made for wider layers; with it, two epochs on a sixth of the images end 12 points lower.
    """

    patch: int = 4
    dim: int = 32
    blocks: tuple[int, ...] = (2, 2)
    heads: tuple[int, ...] = (2, 4)
    window: int = 4
    expansion: int = 4
    spread: float = 0.1

    def build(self, classes: int) -> "SwinForImageClassification":
        """Starts untrained; seed torch before to get the same start again."""
        from transformers import SwinConfig, SwinForImageClassification

        config = SwinConfig(
            image_size=SIDE,
            patch_size=self.patch,
            embed_dim=self.dim,
            depths=self.blocks,
            num_heads=self.heads,
            window_size=self.window,
            mlp_ratio=self.expansion,
            qkv_bias=True,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            drop_path_rate=0.0,
            hidden_act="gelu",
            use_absolute_embeddings=False,
            initializer_range=self.spread,
            layer_norm_eps=1e-5,
            id2label={index: str(index) for index in range(classes)},
        )
        return SwinForImageClassification(config)


@dataclass(frozen=True, slots=True)
class ConvNextShape:
    """Size of a ConvNeXt (Liu et al., arXiv 2201.03545).

    With the defaults a stage of 7 × 7 is reduced to one of 3 × 3. What an FFN gives is multiplied by a learned scale a
    channel before it is added, as in the paper; there is no stochastic depth.

    Attributes:
        patch: Pixels a side that become one position.
        dims: Channels of each stage.
        blocks: Blocks of each stage.
        layer_scale: What the learned scales start with; the paper's.
    """

    patch: int = 4
    dims: tuple[int, ...] = (32, 64)
    blocks: tuple[int, ...] = (2, 2)
    layer_scale: float = 1e-6

    def build(self, classes: int) -> "ConvNextForImageClassification":
        """Starts untrained; seed torch before to get the same start again."""
        from transformers import ConvNextConfig, ConvNextForImageClassification

        config = ConvNextConfig(
            image_size=SIDE,
            patch_size=self.patch,
            num_stages=len(self.dims),
            hidden_sizes=self.dims,
            depths=self.blocks,
            hidden_act="gelu",
            initializer_range=0.02,
            layer_norm_eps=1e-12,
            layer_scale_init_value=self.layer_scale,
            drop_path_rate=0.0,
            id2label={index: str(index) for index in range(classes)},
        )
        return ConvNextForImageClassification(config)
