"""A small decoder of the Llama kind in torch: grouped heads, rotary positions, gated MLP, KV cache in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

Pair: TypeAlias = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Sizes:
    """The sizes of a decoder."""

    layers: int = 4
    width: int = 1024
    heads: int = 16
    kv_heads: int = 4
    hidden: int = 2816
    vocabulary: int = 32000

    @property
    def head(self) -> int:
        """Features of one head."""
        return self.width // self.heads


class RootMeanSquareNorm(nn.Module):
    """Scales each row to mean square 1 (arXiv:1910.07467)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to the same shape."""
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


def _rotate(x: Tensor, angles: Pair) -> Tensor:
    """Turn each pair of features (i, i + head / 2) of (B, H, S, head) by the angle of its position."""
    cosine, sine = angles
    first, second = x.chunk(2, -1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1)


class DecoderLayer(nn.Module):
    """Attention over cache and new tokens, then the gated MLP, each with norm before and residual after."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        narrow = sizes.kv_heads * sizes.head
        self.attention_norm = RootMeanSquareNorm(sizes.width)
        self.query = nn.Linear(sizes.width, sizes.width, bias=False)
        self.key = nn.Linear(sizes.width, narrow, bias=False)
        self.value = nn.Linear(sizes.width, narrow, bias=False)
        self.merge = nn.Linear(sizes.width, sizes.width, bias=False)
        self.mlp_norm = RootMeanSquareNorm(sizes.width)
        self.gate = nn.Linear(sizes.width, sizes.hidden, bias=False)
        self.up = nn.Linear(sizes.width, sizes.hidden, bias=False)
        self.down = nn.Linear(sizes.hidden, sizes.width, bias=False)

    def _split(self, x: Tensor, heads: int) -> Tensor:
        """Turn (B, S, heads * head) into (B, heads, S, head)."""
        return x.view(x.shape[0], -1, heads, self.sizes.head).transpose(1, 2)

    def _repeat(self, x: Tensor) -> Tensor:
        """Repeat the key and value heads (B, KV, T, head) for the query heads that share them."""
        times = self.sizes.heads // self.sizes.kv_heads
        wide = x.unsqueeze(2).expand(-1, -1, times, -1, -1)
        return wide.reshape(x.shape[0], self.sizes.heads, -1, self.sizes.head)

    def forward(self, x: Tensor, angles: Pair, mask: Tensor, past: Pair) -> tuple[Tensor, Pair]:
        """Map (B, S, width) to the same, and return keys and values (B, KV, P + S, head) for the cache."""
        normed = self.attention_norm(x)
        query = _rotate(self._split(self.query(normed), self.sizes.heads), angles)
        key = _rotate(self._split(self.key(normed), self.sizes.kv_heads), angles)
        key = torch.cat([past[0], key], 2)
        value = torch.cat([past[1], self._split(self.value(normed), self.sizes.kv_heads)], 2)
        scores = query @ self._repeat(key).transpose(-1, -2) * self.sizes.head**-0.5
        context = torch.softmax(scores + mask, -1) @ self._repeat(value)
        x = x + self.merge(context.transpose(1, 2).reshape(x.shape[0], -1, self.sizes.width))
        normed = self.mlp_norm(x)
        x = x + self.down(functional.silu(self.gate(normed)) * self.up(normed))
        return x, (key, value)


class LlamaDecoder(nn.Module):
    """The decoder with embedding and language head; its cache is one tensor for all keys, one for all values."""

    inverse_frequency: Tensor

    def __init__(self, sizes: Sizes | None = None) -> None:
        super().__init__()
        self.sizes = sizes = sizes or Sizes()
        self.embed = nn.Embedding(sizes.vocabulary, sizes.width)
        self.layers = nn.ModuleList(DecoderLayer(sizes) for _ in range(sizes.layers))
        self.norm = RootMeanSquareNorm(sizes.width)
        self.head = nn.Linear(sizes.width, sizes.vocabulary, bias=False)
        steps = torch.arange(0, sizes.head, 2).float() / sizes.head
        self.register_buffer("inverse_frequency", 10000.0**-steps)

    def forward(self, ids: Tensor, pos: Tensor, pk: Tensor, pv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map token ids and positions (B, S) and caches (L, B, KV, P, head) to logits (B, S, V) and new caches."""
        angle = (pos.unsqueeze(-1).float() * self.inverse_frequency).unsqueeze(1)
        angles = (angle.cos(), angle.sin())
        total = torch.arange(pk.shape[3] + ids.shape[1])
        mask = (total.view(1, 1, 1, -1) > pos.unsqueeze(1).unsqueeze(-1)).float() * -1e9
        x = cast(Tensor, self.embed(ids))
        caches: list[Pair] = []
        for index, layer in enumerate(self.layers):
            x, cache = layer(x, angles, mask, (pk[index], pv[index]))
            caches.append(cache)
        keys, values = (torch.stack(parts) for parts in zip(*caches, strict=True))
        return self.head(self.norm(x)), keys, values
