"""BERT-base, ViT-B/16 and GPT-2 small of the transformers library, random weights, one tensor out."""

from __future__ import annotations

from typing import cast

import torch
import transformers
from torch import Tensor, nn


class OneOutput(nn.Module):
    """A model of the library called with positional tensors, giving only the tensor of its result that is asked for."""

    def __init__(self, model: nn.Module, inputs: tuple[str, ...], output: str) -> None:
        super().__init__()
        self.model = model
        self.inputs = inputs
        self.output = output

    def forward(self, first: Tensor, second: Tensor | None = None) -> Tensor:
        """Call the model with one tensor or two, by name."""
        # No *args here: torch.export matches dynamic axes with parameters one to one.
        tensors = (first,) if second is None else (first, second)
        result = self.model(**dict(zip(self.inputs, tensors, strict=True)))
        return cast(Tensor, getattr(result, self.output))


def make_bert() -> nn.Module:
    """Return BERT-base: token ids and attention mask (B, S) to the last hidden state (B, S, 768)."""
    config = transformers.BertConfig(attn_implementation="eager")
    return OneOutput(transformers.BertModel(config).eval(), ("input_ids", "attention_mask"), "last_hidden_state")


def make_vit() -> nn.Module:
    """Return ViT-B/16: images (B, 3, 224, 224) to logits (B, 1000)."""
    config = transformers.ViTConfig(num_labels=1000, attn_implementation="eager")
    return OneOutput(transformers.ViTForImageClassification(config).eval(), ("pixel_values",), "logits")


def make_gpt2() -> nn.Module:
    """Return GPT-2 small without cache: token ids (B, S) to logits (B, S, 50257)."""
    config = transformers.GPT2Config(use_cache=False, attn_implementation="eager")
    return OneOutput(transformers.GPT2LMHeadModel(config).eval(), ("input_ids",), "logits")


def silence() -> None:
    """Keep the library's advice about training off the terminal."""
    transformers.logging.set_verbosity_error()
    torch.set_grad_enabled(False)
