"""ImageDecoder: the pixels of an image file, decoded in Python by the Pillow library."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Dim
from enginewright.errors import NetworkError, RunError, ShapeError
from enginewright.ops.element_types import check_type
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, uint8

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
FORMATS = {"RGB": 3, "BGR": 3, "Grayscale": 1}
FILES = ("BMP", "JPEG", "JPEG2000", "TIFF", "PNG", "WEBP", "PPM")
"""What ONNX names, as Pillow calls it. Pillow knows more, and starts another program for some, such as PostScript."""


@operator("ew::ImageDecoder")
class ImageDecoder:
    """The image [H, W, channels] in the file whose bytes `x` [N] are, of `pixel_format` RGB, BGR or Grayscale.

    BMP, JPEG, JPEG 2000, TIFF, PNG, WebP and PNM. What cannot be decoded gives an image without pixels.
    """

    pixel_format: str = "RGB"

    def infer(self, x: TensorSpec) -> TensorSpec:
        """Height and width show at run time."""
        check_type(x, (uint8,), "input x")
        if x.rank != 1:
            raise ShapeError(f"x has {x.rank} axes", hint="Give the bytes of one file, [N].")
        if self.pixel_format not in FORMATS:
            raise NetworkError(f"pixel_format {self.pixel_format!r}", hint=f"Use {', '.join(FORMATS)}.")
        return TensorSpec(uint8, (Dim.data(), Dim.data(), FORMATS[self.pixel_format]))

    def reference(self, x: Array) -> Array:
        """Pillow's decoders."""
        try:
            import PIL.Image
        except ImportError as error:
            hint = 'Install it: pip install "enginewright[images]".'
            raise RunError("decoding images needs Pillow, which is not installed", hint=hint) from error
        mode = "L" if self.pixel_format == "Grayscale" else "RGB"
        try:
            with PIL.Image.open(io.BytesIO(x.tobytes()), formats=FILES) as image:
                pixels = np.array(image.convert(mode))
        except PIL.Image.DecompressionBombError as error:
            raise RunError(f"the image is too large: {error}", hint="Raise PIL.Image.MAX_IMAGE_PIXELS.") from error
        except (OSError, ValueError, SyntaxError):  # Pillow's words for what is no image, or a damaged one
            return np.zeros((0, 0, FORMATS[self.pixel_format]), np.uint8)
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        return np.ascontiguousarray(pixels[:, :, ::-1]) if self.pixel_format == "BGR" else pixels

    @staticmethod
    def examples() -> Iterator[tuple[ImageDecoder, list[Array]]]:
        """A grey and a coloured picture in each format, and what is none."""
        grey = np.frombuffer(b"P5 3 2 255\n" + bytes(range(6)), np.uint8)
        colours = np.frombuffer(b"P6 2 1 255\n" + bytes(range(6)), np.uint8)
        for pixel_format in FORMATS:
            for data in (grey, colours, grey[:5]):
                yield ImageDecoder(pixel_format), [data]


@onnx_rule("ai.onnx::ImageDecoder", since=20)
def image_decoder(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.image_decoder(node.input(0), pixel_format=node.text("pixel_format", "RGB"))
