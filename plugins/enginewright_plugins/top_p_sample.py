"""TopPSample: the next token of a language model, drawn from the most probable ones by a seed, always the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import enginewright as ew
from enginewright_plugins._checks import check_fields, check_float, check_rank, needs_cuda_float, needs_float32
from enginewright_plugins._library import CUDA_KERNELS, KERNELS

Array = np.ndarray[Any, Any]


@ew.operator("ew_plugins::TopPSample", version=1)
class TopPSample:
    """Outputs (tokens int64 [B], probabilities [B]): one token for each row of logits [B, V], by its seed int64 [B].

    Softmax of the logits divided by `temperature`. Of the `top_k` most probable tokens (0: all; of equals the first)
    those are kept before which less than `top_p` has gathered, and one of them is drawn in proportion to its
    probability among them. `temperature` 0: the most probable token. Holtzman et al., "The Curious Case of Neural Text
    Degeneration". A row depends on its logits and its seed alone: the token is the first, from the most probable on, at
    which more than u of the kept probability has gathered, where u is SplitMix64(seed) / 2^64 in 53 bits.
    """

    top_p: float = 0.9
    top_k: int = 0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Check the fields."""
        limits = {
            f"top_p is {self.top_p}, not above 0 and up to 1": not 0 < self.top_p <= 1,
            f"top_k is {self.top_k}, negative": self.top_k < 0,
            f"temperature is {self.temperature}, negative": not self.temperature >= 0,
        }
        check_fields("TopPSample", limits)

    def infer(self, logits: ew.TensorSpec, seed: ew.TensorSpec) -> tuple[ew.TensorSpec, ew.TensorSpec]:
        """One token a row."""
        check_float("logits", logits)
        check_rank("logits", logits, 2)
        check_rank("seed", seed, 1)
        if seed.dtype is not ew.int64:
            raise ew.DataTypeError(f"seed is {seed.dtype}", hint="Cast it to int64.")
        batch = ew.same(logits.shape[0], seed.shape[0])
        return ew.TensorSpec(ew.int64, (batch,)), logits.with_shape(batch)

    def reference(self, logits: Array, seed: Array) -> tuple[Array, Array]:
        """Row by row, in float64."""
        drawn = [self._draw(row.astype(np.float32), number) for row, number in zip(logits, seed, strict=True)]
        tokens = np.array([token for token, _ in drawn], np.int64)
        return tokens, np.array([probability for _, probability in drawn]).astype(logits.dtype)

    def _draw(self, logits: Array, seed: Any) -> tuple[int, float]:
        if logits.size == 0 or not -np.inf < logits.max() < np.inf:  # NaN, too, is outside
            raise ew.InputError("a row of logits has no largest finite number", hint="Look for NaN and infinity.")
        order = np.argsort(-logits, kind="stable")[: self.top_k or None]
        if self.temperature == 0:
            return int(order[0]), 1.0
        scaled = (logits.astype(np.float64) - float(logits.max())) / self.temperature
        shares = np.exp(scaled)
        total = shares.sum() if self.top_k == 0 else shares[order].sum()
        gathered = np.cumsum(shares[order])
        kept = int(np.searchsorted(gathered, self.top_p * total)) + 1
        gathered = gathered[:kept]
        place = int(np.searchsorted(gathered, uniform(seed) * gathered[-1], side="right"))
        place = min(place, len(gathered) - 1)
        return int(order[place]), float(shares[order[place]] / gathered[-1])

    @staticmethod
    def examples() -> Iterator[tuple[TopPSample, list[Any]]]:
        """Narrow and wide, few and many tokens, no randomness, impossible tokens, no row."""
        rng = np.random.default_rng(23)
        logits = (rng.standard_normal((6, 400)) * 3).astype(np.float32)
        seeds = np.arange(6, dtype=np.int64) * 7919 - 3
        rounded = np.round(logits)
        rounded[:, ::3] = -np.inf
        yield TopPSample(), [logits, seeds]
        yield TopPSample(top_p=1.0, temperature=2.5), [logits, seeds]
        yield TopPSample(top_k=5, temperature=0.7), [rounded, seeds]
        yield TopPSample(top_p=0.01), [logits, seeds]
        yield TopPSample(temperature=0), [rounded, seeds]
        yield TopPSample(), [logits[:, :1], seeds]
        yield TopPSample(), [logits[:0], seeds[:0]]


def uniform(seed: Any) -> float:
    """The first number of SplitMix64 for a seed (Steele et al., 2014), in [0, 1) with 53 bits."""
    mask = 2**64 - 1
    z = (int(seed) + 0x9E3779B97F4A7C15) & mask
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
    return float(((z ^ (z >> 31)) >> 11) * 2.0**-53)


@ew.tactic(TopPSample, kernel=KERNELS["top_p_sample_f32"])
def top_p_sample(op: TopPSample, logits: ew.TensorSpec, seed: ew.TensorSpec) -> ew.Launch | str:
    """Rows side by side; hardly more tokens are sorted than are kept."""
    if reason := needs_float32(logits):
        return reason
    return ew.Launch(params=(float(op.top_p), op.top_k, float(op.temperature)), workspace=logits.size * 8)


@ew.tactic(TopPSample, kernel=CUDA_KERNELS["top_p_sample"])
def top_p_sample_cuda(op: TopPSample, logits: ew.TensorSpec, seed: ew.TensorSpec) -> ew.Launch | str:
    """A block for each row, which finds the token without sorting."""
    if reason := needs_cuda_float(logits):
        return reason
    return ew.Launch(params=(float(op.top_p), op.top_k, float(op.temperature)), workspace=logits.size * 8)
