"""The Vision Transformer that DINO trains (arXiv 2010.11929; DINO, section 3.2).

An image is cut into patches, each patch becomes a token, a learned [CLS] token is put in
front, and pre-norm transformer blocks let the tokens look at each other. DINO reads the
image's feature, and its attention map, from the [CLS] token.

Parameter names are those of the released weights (timm uses the same), so a state dict of
either loads with ``strict=True``.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


class DropPath(nn.Module):
    """Skip a residual branch for random images of the batch (stochastic depth, 1603.09382).

    In training each image's branch is dropped with probability ``rate``, and the kept ones are
    scaled by 1 / (1 - rate), so the expected value does not change. In ``eval`` mode nothing is
    dropped: this is how the teacher never sees it.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate
        # (images, probability) -> 0 or 1 for each image; by default drawn here.
        self.kept: Callable[[int, float], Tensor] | None = None

    def forward(self, branch: Tensor) -> Tensor:
        """What a branch adds, (B, ...) -> the same, 0 for the images that skip it."""
        if self.rate == 0.0 or not self.training:
            return branch
        n, keep = len(branch), 1.0 - self.rate
        kept = branch.new_empty(n).bernoulli_(keep) if self.kept is None else self.kept(n, keep)
        waits = branch.device.type == "mps"  # see pixels.sent
        kept = kept.to(branch.device, branch.dtype, non_blocking=not waits)
        return branch * (kept / keep).view(n, *[1] * (branch.ndim - 1))


class PatchEmbed(nn.Module):
    """Cut (B, C, H, W) into patches and project each: (B, H/p * W/p, D), row by row."""

    def __init__(self, patch_size: int, in_chans: int, embed_dim: int):
        super().__init__()
        self.proj = nn.Conv2d(in_chans, embed_dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        return rearrange(self.proj(images), "b d h w -> b (h w) d")


NARROW, FEW = 16, 128  # numbers of a head, and tokens: below both, a CPU writes the N x N matrix


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v: queries (B, heads, n, d), keys and values (B, heads, N, d)."""
    if q.device.type == "cpu" and q.shape[-1] < NARROW and k.shape[-2] < FEW:
        # With heads this narrow two plain products are faster than the CPU's fused kernel. A CPU
        # computes 16 numbers of a row at a time, so tokens, which are more, go along the rows.
        q, k, v = (t.mT.contiguous() for t in (q * q.shape[-1] ** -0.5, k, v))
        return (v @ (k.mT @ q).softmax(dim=-2)).mT
    return F.scaled_dot_product_attention(q, k, v)  # never writes the N x N matrix to memory


class Attention(nn.Module):
    """Multi-head self-attention, scaled by 1/sqrt(head dim), softmax over the keys."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of all tokens, each (B, heads, N, head dim)."""
        q, k, v = (
            rearrange(t, "b n (heads d) -> b heads n d", heads=self.num_heads)
            for t in self.qkv(x).chunk(3, dim=-1)
        )
        return q, k, v

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D): what each token gathers from all."""
        return self.proj(rearrange(attend(*self.project(x)), "b heads n d -> b n (heads d)"))

    def probabilities(self, x: Tensor) -> Tensor:
        """The matrix that ``forward`` does not keep: (B, heads, N, N), each row sums to 1."""
        q, k, _ = self.project(x)
        return (q @ k.mT * q.shape[-1] ** -0.5).softmax(dim=-1)

    def cls_probabilities(self, x: Tensor) -> Tensor:
        """The first row of ``probabilities``, (B, heads, N), without a key.

        One query q meets every token x_j as q . (W_k x_j + b_k) = (W_k^T q) . x_j + q . b_k. The
        last term is the same for all tokens, and softmax does not see it. So each head's W_k
        meets one vector, the query, in place of N tokens.
        """
        w_q, w_k, _ = self._by_head(self.qkv.weight)
        b_q, _, _ = self._by_head(self.qkv.bias)
        # For one query float32 costs nothing, and bfloat16 would round its scores.
        with torch.autocast(x.device.type, enabled=False):
            q = torch.einsum("bc,hdc->bhd", x[:, 0], w_q) + b_q
            q = torch.einsum("bhd,hdc->bhc", q * q.shape[-1] ** -0.5, w_k)
            return (q @ x.transpose(1, 2)).softmax(dim=-1)

    def forward_cls(self, x: Tensor) -> Tensor:
        """The first row of ``forward``, (B, N, D) -> (B, 1, D), without a key or a value.

        The p_j sum to 1, so sum_j p_j (W_v x_j + b_v) = W_v (sum_j p_j x_j) + b_v.
        """
        _, _, w_v = self._by_head(self.qkv.weight)
        _, _, b_v = self._by_head(self.qkv.bias)
        with torch.autocast(x.device.type, enabled=False):
            seen = self.cls_probabilities(x) @ x  # (B, heads, D)
            out = torch.einsum("bhc,hdc->bhd", seen, w_v) + b_v
        return self.proj(rearrange(out, "b heads d -> b 1 (heads d)"))

    def _by_head(self, qkv: Tensor) -> Tensor:
        """(3 D, ...) -> (3, heads, head dim, ...): of queries, keys and values."""
        return qkv.unflatten(0, (3, self.num_heads, -1))


class Mlp(nn.Module):
    def __init__(self, dim: int, hidden_dim: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): the norm comes *before* each branch."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, drop_path: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, cls_only: bool = False) -> Tensor:
        """(B, N, D) -> (B, N, D), or, of [CLS] alone, (B, 1, D); it has seen all N."""
        tokens = self.norm1(x)
        seen = self.attn.forward_cls(tokens) if cls_only else self.attn(tokens)
        x = (x[:, :1] if cls_only else x) + self.drop_path(seen)
        return x + self.drop_path(self.mlp(self.norm2(x)))


class VisionTransformer(nn.Module):
    """A ViT without a classifier: images in, the [CLS] token out.

    Args:
        image_size: height and width, in pixels, for which positions are learned. Other
            sizes, and rectangles, are served by interpolating the grid of positions.
        patch_size: side of a patch in pixels.
        in_chans: channels of an image.
        embed_dim: width D of a token; a multiple of ``num_heads``.
        depth: number of blocks.
        num_heads: attention heads per block.
        mlp_ratio: hidden width of each block's MLP, in units of D.
        drop_path_rate: stochastic depth of the last block; it grows linearly from 0.

    Raises:
        ValueError: if the sizes do not divide as they must.

    >>> vit = VisionTransformer(image_size=32, patch_size=8, embed_dim=96, depth=2, num_heads=4)
    >>> vit(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 96])
    """

    block = Block

    def __init__(
        self,
        image_size: int = 224,
        patch_size: int = 16,
        in_chans: int = 3,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        drop_path_rate: float = 0.0,
    ):
        super().__init__()
        if image_size % patch_size or image_size < patch_size:
            raise ValueError(
                f"image_size {image_size} is not a multiple of patch_size {patch_size}"
            )
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim {embed_dim} does not divide into {num_heads} heads")
        self.image_size, self.patch_size = image_size, patch_size
        self.embed_dim, self.depth, self.num_heads = embed_dim, depth, num_heads
        self.grid = image_size // patch_size  # patches along one side at image_size

        self.patch_embed = PatchEmbed(patch_size, in_chans, embed_dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid**2, embed_dim))  # [CLS] first
        rates = torch.linspace(0, drop_path_rate, depth).tolist()
        self.blocks = nn.ModuleList(self.block(embed_dim, num_heads, mlp_ratio, r) for r in rates)
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)

        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.apply(self._init_linear)

    @staticmethod
    def _init_linear(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)

    def interpolate_positions(self, h: int, w: int) -> Tensor:
        """Positions for a grid of h x w patches: (1, 1 + h*w, D).

        Bicubic, as in the paper; the [CLS] position has no place on the grid and is kept.
        """
        if h == w == self.grid:
            return self.pos_embed
        cls_position, grid = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        grid = rearrange(grid, "1 (h w) d -> 1 d h w", h=self.grid)
        grid = F.interpolate(grid, size=(h, w), mode="bicubic", align_corners=False)
        return torch.cat([cls_position, rearrange(grid, "1 d h w -> 1 (h w) d")], dim=1)

    def prepare_tokens(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1 + N, D): patch tokens, [CLS] in front, positions added to all.

        Raises:
            ValueError: if H or W is not a multiple of the patch size.
        """
        height, width = images.shape[-2:]
        p = self.patch_size
        if height % p or width % p or min(height, width) < p:
            raise ValueError(
                f"images of {height} x {width} px do not divide into patches of {p} px; "
                f"resize or crop them to multiples of {p}"
            )
        patches = self.patch_embed(images)
        cls = self.cls_token.expand(len(images), -1, -1)
        tokens = torch.cat([cls, patches], dim=1)
        return tokens + self.interpolate_positions(height // p, width // p)

    def forward_features(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1 + N, D): every token after the final norm."""
        x = self.prepare_tokens(images)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D): the [CLS] token after the final norm.

        Nobody reads what the last block makes of the patches, so it is not computed there. The
        result is the same.
        """
        x = self.prepare_tokens(images)
        for block in self.blocks[:-1]:
            x = block(x)
        return self.norm(self.blocks[-1](x, cls_only=True))[:, 0]

    def get_intermediate_layers(self, images: Tensor, n: int = 1) -> list[Tensor]:
        """Tokens of the last ``n`` blocks, each (B, 1 + N, D) and through the final norm.

        The linear probe of the paper (appendix F.2) reads the [CLS] of the last four.
        """
        x, outputs = self.prepare_tokens(images), []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i >= len(self.blocks) - n:
                outputs.append(self.norm(x))
        return outputs

    def get_last_selfattention(self, images: Tensor, cls_only: bool = False) -> Tensor:
        """Attention of the last block: (B, heads, 1 + N, 1 + N); row 0 is the [CLS] query.

        ``cls_only`` asks for that row alone, (B, heads, 1, 1 + N). A large picture has thousands
        of tokens, and each head the square of that many numbers.
        """
        x = self.prepare_tokens(images)
        for block in self.blocks[:-1]:
            x = block(x)
        last, x = self.blocks[-1].attn, self.blocks[-1].norm1(x)
        return last.cls_probabilities(x)[:, :, None] if cls_only else last.probabilities(x)


def vit_tiny(patch_size: int = 16, **kw) -> VisionTransformer:
    """ViT-Ti: width 192, 12 blocks, 3 heads, 5.5 M parameters."""
    sizes = dict(embed_dim=192, depth=12, num_heads=3)
    return VisionTransformer(patch_size=patch_size, **(sizes | kw))


def vit_small(patch_size: int = 16, **kw) -> VisionTransformer:
    """ViT-S: width 384, 12 blocks, 6 heads, 22 M parameters; the paper's main model."""
    sizes = dict(embed_dim=384, depth=12, num_heads=6)
    return VisionTransformer(patch_size=patch_size, **(sizes | kw))


def vit_base(patch_size: int = 16, **kw) -> VisionTransformer:
    """ViT-B: width 768, 12 blocks, 12 heads, 86 M parameters."""
    sizes = dict(embed_dim=768, depth=12, num_heads=12)
    return VisionTransformer(patch_size=patch_size, **(sizes | kw))
