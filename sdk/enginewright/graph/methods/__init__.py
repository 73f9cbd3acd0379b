"""The operators as methods of `Network`, a module for each of ops; written by ``make methods``, not by hand."""

from __future__ import annotations

from enginewright.graph.methods.activation import _Activation
from enginewright.graph.methods.append_rows import _AppendRows
from enginewright.graph.methods.arg_reduction import _ArgReduction
from enginewright.graph.methods.arithmetic import _Arithmetic
from enginewright.graph.methods.attention import _Attention
from enginewright.graph.methods.bitcast import _Bitcast
from enginewright.graph.methods.cast import _Cast
from enginewright.graph.methods.clip import _Clip
from enginewright.graph.methods.comparison import _Comparison
from enginewright.graph.methods.concat import _Concat
from enginewright.graph.methods.control import _Control
from enginewright.graph.methods.conv import _Conv
from enginewright.graph.methods.conv_integer import _ConvInteger
from enginewright.graph.methods.conv_transpose import _ConvTranspose
from enginewright.graph.methods.cumulative import _Cumulative
from enginewright.graph.methods.deform_conv import _DeformConv
from enginewright.graph.methods.determinant import _Determinant
from enginewright.graph.methods.einsum import _Einsum
from enginewright.graph.methods.expand import _Expand
from enginewright.graph.methods.gather import _Gather
from enginewright.graph.methods.generate import _Generate
from enginewright.graph.methods.grid_sample import _GridSample
from enginewright.graph.methods.image_decoder import _ImageDecoder
from enginewright.graph.methods.label_encoder import _LabelEncoder
from enginewright.graph.methods.logical import _Logical
from enginewright.graph.methods.math import _Math
from enginewright.graph.methods.matmul import _Matmul
from enginewright.graph.methods.max_unpool import _MaxUnpool
from enginewright.graph.methods.ngrams import _Ngrams
from enginewright.graph.methods.non_max_suppression import _NonMaxSuppression
from enginewright.graph.methods.norm import _Norm
from enginewright.graph.methods.normalization import _Normalization
from enginewright.graph.methods.pad import _Pad
from enginewright.graph.methods.pool import _Pool
from enginewright.graph.methods.quantize import _Quantize
from enginewright.graph.methods.random import _Random
from enginewright.graph.methods.rearrange import _Rearrange
from enginewright.graph.methods.recurrent import _Recurrent
from enginewright.graph.methods.recurrent_quantized import _RecurrentQuantized
from enginewright.graph.methods.reduction import _Reduction
from enginewright.graph.methods.resize import _Resize
from enginewright.graph.methods.roi import _Roi
from enginewright.graph.methods.scatter import _Scatter
from enginewright.graph.methods.select import _Select
from enginewright.graph.methods.shape import _Shape
from enginewright.graph.methods.signal import _Signal
from enginewright.graph.methods.slice import _Slice
from enginewright.graph.methods.softmax import _Softmax
from enginewright.graph.methods.split import _Split
from enginewright.graph.methods.strings import _Strings
from enginewright.graph.methods.tile import _Tile
from enginewright.graph.methods.transpose import _Transpose
from enginewright.graph.methods.tree_ensemble import _TreeEnsemble
from enginewright.graph.methods.where import _Where

__all__ = ["OperatorMethods"]


class OperatorMethods(
    _Activation,
    _AppendRows,
    _ArgReduction,
    _Arithmetic,
    _Attention,
    _Bitcast,
    _Cast,
    _Clip,
    _Comparison,
    _Concat,
    _Control,
    _Conv,
    _ConvInteger,
    _ConvTranspose,
    _Cumulative,
    _DeformConv,
    _Determinant,
    _Einsum,
    _Expand,
    _Gather,
    _Generate,
    _GridSample,
    _ImageDecoder,
    _LabelEncoder,
    _Logical,
    _Math,
    _Matmul,
    _MaxUnpool,
    _Ngrams,
    _NonMaxSuppression,
    _Norm,
    _Normalization,
    _Pad,
    _Pool,
    _Quantize,
    _Random,
    _Rearrange,
    _Recurrent,
    _RecurrentQuantized,
    _Reduction,
    _Resize,
    _Roi,
    _Scatter,
    _Select,
    _Shape,
    _Signal,
    _Slice,
    _Softmax,
    _Split,
    _Strings,
    _Tile,
    _Transpose,
    _TreeEnsemble,
    _Where,
):
    """One method an operator: tensors by position, attributes by name; returns the operator's outputs."""
