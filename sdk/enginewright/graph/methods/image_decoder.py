"""ImageDecoder: the pixels of an image file, decoded in Python by the Pillow library.

Methods of `Network`, written by ``make methods`` from ops/image_decoder.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import image_decoder as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _ImageDecoder(_Adder):
    """One method an operator of ops/image_decoder.py."""

    def image_decoder(self, x: Tensor, *, pixel_format: str = "RGB", name: str = "") -> Tensor:
        """The image [H, W, channels] in the file whose bytes `x` [N] are, of `pixel_format` RGB, BGR or Grayscale.

        BMP, JPEG, JPEG 2000, TIFF, PNG, WebP and PNM. What cannot be decoded gives an image without pixels.
        """
        return self.add(ops.ImageDecoder(pixel_format=pixel_format), x, name=name)[0]
