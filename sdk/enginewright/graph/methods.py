"""The operators as methods of `Network`, written by ``make methods`` from the operator classes, not by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, overload

from enginewright.ops.activation import (
    Celu as CeluOp,
    Elu as EluOp,
    Gelu as GeluOp,
    HardSigmoid as HardSigmoidOp,
    HardSwish as HardSwishOp,
    LeakyRelu as LeakyReluOp,
    Mish as MishOp,
    PRelu as PReluOp,
    Relu as ReluOp,
    Selu as SeluOp,
    Shrink as ShrinkOp,
    Sigmoid as SigmoidOp,
    Softplus as SoftplusOp,
    Softsign as SoftsignOp,
    Swish as SwishOp,
    ThresholdedRelu as ThresholdedReluOp,
)
from enginewright.ops.append_rows import AppendRows as AppendRowsOp
from enginewright.ops.arg_reduction import ArgMax as ArgMaxOp, ArgMin as ArgMinOp
from enginewright.ops.arithmetic import (
    Abs as AbsOp,
    Div as DivOp,
    Max as MaxOp,
    Mean as MeanOp,
    Min as MinOp,
    Mod as ModOp,
    Mul as MulOp,
    Neg as NegOp,
    Pow as PowOp,
    Sign as SignOp,
    Sub as SubOp,
    Sum as SumOp,
)
from enginewright.ops.attention import Attention as AttentionOp
from enginewright.ops.bitcast import BitCast as BitCastOp
from enginewright.ops.cast import Cast as CastOp
from enginewright.ops.clip import Clip as ClipOp
from enginewright.ops.comparison import (
    Equal as EqualOp,
    Greater as GreaterOp,
    GreaterOrEqual as GreaterOrEqualOp,
    IsInf as IsInfOp,
    IsNaN as IsNaNOp,
    Less as LessOp,
    LessOrEqual as LessOrEqualOp,
)
from enginewright.ops.concat import Concat as ConcatOp
from enginewright.ops.control import If as IfOp, Loop as LoopOp
from enginewright.ops.conv import Conv as ConvOp
from enginewright.ops.conv_integer import ConvInteger as ConvIntegerOp, QLinearConv as QLinearConvOp
from enginewright.ops.conv_transpose import ConvTranspose as ConvTransposeOp
from enginewright.ops.cumulative import CumProd as CumProdOp, CumSum as CumSumOp
from enginewright.ops.deform_conv import DeformConv as DeformConvOp
from enginewright.ops.determinant import Det as DetOp
from enginewright.ops.einsum import Einsum as EinsumOp
from enginewright.ops.expand import Expand as ExpandOp
from enginewright.ops.gather import Gather as GatherOp, GatherElements as GatherElementsOp, GatherND as GatherNDOp
from enginewright.ops.generate import ConstantOfShape as ConstantOfShapeOp, EyeLike as EyeLikeOp, Range as RangeOp
from enginewright.ops.grid_sample import GridSample as GridSampleOp
from enginewright.ops.image_decoder import ImageDecoder as ImageDecoderOp
from enginewright.ops.label_encoder import LabelEncoder as LabelEncoderOp
from enginewright.ops.logical import (
    And as AndOp,
    BitShift as BitShiftOp,
    BitwiseAnd as BitwiseAndOp,
    BitwiseNot as BitwiseNotOp,
    BitwiseOr as BitwiseOrOp,
    BitwiseXor as BitwiseXorOp,
    Not as NotOp,
    Or as OrOp,
    Xor as XorOp,
)
from enginewright.ops.math import (
    Acos as AcosOp,
    Acosh as AcoshOp,
    Asin as AsinOp,
    Asinh as AsinhOp,
    Atan as AtanOp,
    Atanh as AtanhOp,
    Ceil as CeilOp,
    Cos as CosOp,
    Cosh as CoshOp,
    Erf as ErfOp,
    Exp as ExpOp,
    Floor as FloorOp,
    Log as LogOp,
    Reciprocal as ReciprocalOp,
    Round as RoundOp,
    Sin as SinOp,
    Sinh as SinhOp,
    Sqrt as SqrtOp,
    Tan as TanOp,
    Tanh as TanhOp,
)
from enginewright.ops.matmul import (
    Gemm as GemmOp,
    MatMul as MatMulOp,
    MatMulInteger as MatMulIntegerOp,
    QLinearMatMul as QLinearMatMulOp,
)
from enginewright.ops.max_unpool import MaxUnpool as MaxUnpoolOp
from enginewright.ops.ngrams import TfIdfVectorizer as TfIdfVectorizerOp
from enginewright.ops.non_max_suppression import NonMaxSuppression as NonMaxSuppressionOp
from enginewright.ops.norm import LRN as LRNOp, LpNormalization as LpNormalizationOp
from enginewright.ops.normalization import (
    BatchNormalization as BatchNormalizationOp,
    GroupNormalization as GroupNormalizationOp,
    InstanceNormalization as InstanceNormalizationOp,
    LayerNormalization as LayerNormalizationOp,
    RMSNormalization as RMSNormalizationOp,
)
from enginewright.ops.pad import Pad as PadOp
from enginewright.ops.pool import (
    AveragePool as AveragePoolOp,
    GlobalAveragePool as GlobalAveragePoolOp,
    GlobalLpPool as GlobalLpPoolOp,
    GlobalMaxPool as GlobalMaxPoolOp,
    LpPool as LpPoolOp,
    MaxPool as MaxPoolOp,
    MaxPoolWithIndices as MaxPoolWithIndicesOp,
)
from enginewright.ops.quantize import (
    DequantizeLinear as DequantizeLinearOp,
    DynamicQuantizeLinear as DynamicQuantizeLinearOp,
    QuantizeLinear as QuantizeLinearOp,
)
from enginewright.ops.random import (
    Bernoulli as BernoulliOp,
    Multinomial as MultinomialOp,
    RandomNormal as RandomNormalOp,
    RandomNormalLike as RandomNormalLikeOp,
    RandomUniform as RandomUniformOp,
    RandomUniformLike as RandomUniformLikeOp,
)
from enginewright.ops.rearrange import (
    CenterCropPad as CenterCropPadOp,
    Col2Im as Col2ImOp,
    DepthToSpace as DepthToSpaceOp,
    ReverseSequence as ReverseSequenceOp,
    SpaceToDepth as SpaceToDepthOp,
    Trilu as TriluOp,
)
from enginewright.ops.recurrent import GRU as GRUOp, LSTM as LSTMOp, RNN as RNNOp
from enginewright.ops.recurrent_quantized import DynamicQuantizeLSTM as DynamicQuantizeLSTMOp
from enginewright.ops.reduction import (
    ReduceL1 as ReduceL1Op,
    ReduceL2 as ReduceL2Op,
    ReduceLogSum as ReduceLogSumOp,
    ReduceLogSumExp as ReduceLogSumExpOp,
    ReduceMax as ReduceMaxOp,
    ReduceMean as ReduceMeanOp,
    ReduceMin as ReduceMinOp,
    ReduceProd as ReduceProdOp,
    ReduceSum as ReduceSumOp,
    ReduceSumSquare as ReduceSumSquareOp,
)
from enginewright.ops.resize import Resize as ResizeOp
from enginewright.ops.roi import MaxRoiPool as MaxRoiPoolOp, RoiAlign as RoiAlignOp
from enginewright.ops.scatter import (
    ScatterElements as ScatterElementsOp,
    ScatterND as ScatterNDOp,
    TensorScatter as TensorScatterOp,
)
from enginewright.ops.select import (
    Compress as CompressOp,
    NonZero as NonZeroOp,
    OneHot as OneHotOp,
    TopK as TopKOp,
    Unique as UniqueOp,
)
from enginewright.ops.shape import (
    Flatten as FlattenOp,
    Identity as IdentityOp,
    Reshape as ReshapeOp,
    Shape as ShapeOp,
    Size as SizeOp,
    Squeeze as SqueezeOp,
    Unsqueeze as UnsqueezeOp,
)
from enginewright.ops.signal import DFT as DFTOp, MelWeightMatrix as MelWeightMatrixOp, STFT as STFTOp
from enginewright.ops.slice import Slice as SliceOp
from enginewright.ops.softmax import Hardmax as HardmaxOp, LogSoftmax as LogSoftmaxOp, Softmax as SoftmaxOp
from enginewright.ops.split import Split as SplitOp
from enginewright.ops.strings import (
    RegexFullMatch as RegexFullMatchOp,
    StringConcat as StringConcatOp,
    StringNormalizer as StringNormalizerOp,
    StringSplit as StringSplitOp,
)
from enginewright.ops.tile import Tile as TileOp
from enginewright.ops.transpose import Transpose as TransposeOp
from enginewright.ops.tree_ensemble import TreeEnsemble as TreeEnsembleOp
from enginewright.ops.where import Where as WhereOp
from enginewright.tensors import DataType

if TYPE_CHECKING:
    from enginewright.dims import Size
    from enginewright.graph.network import Network, Tensor

__all__ = ["OperatorMethods"]


class OperatorMethods:
    """One method an operator: tensors by position, attributes by name; returns the operator's outputs."""

    @overload
    def add(self, op: Tensor, b: Tensor, /, *, name: str = "") -> Tensor: ...

    @overload
    def add(self, op: Any, /, *inputs: Tensor | None, name: str = "") -> tuple[Tensor, ...]: ...

    def add(self, op: Any, /, *inputs: Tensor | None, name: str = "") -> Any:
        """Add a layer, or add two tensors; `Network` does it."""
        raise NotImplementedError

    def abs(self, x: Tensor, *, name: str = "") -> Tensor:
        """The magnitude of x."""
        return self.add(AbsOp(), x, name=name)[0]

    def acos(self, x: Tensor, *, name: str = "") -> Tensor:
        """The angle with this cosine, in radians."""
        return self.add(AcosOp(), x, name=name)[0]

    def acosh(self, x: Tensor, *, name: str = "") -> Tensor:
        """The inverse of the hyperbolic cosine; NaN below 1."""
        return self.add(AcoshOp(), x, name=name)[0]

    def and_(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether both are true, broadcast."""
        return self.add(AndOp(), a, b, name=name)[0]

    def append_rows(self, past: Tensor, new: Tensor, lengths: Tensor, total: Tensor, *, name: str = "") -> Tensor:
        """`past` [B, G, P, D], of which each sequence keeps its first `lengths` [B] rows, then its rows of `new`.

        new is [B, G, S, D]; the result is [B, G, `total`, D], with zeros behind the new rows. total is one integer."""
        return self.add(AppendRowsOp(), past, new, lengths, total, name=name)[0]

    def argmax(
        self, x: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0, name: str = ""
    ) -> Tensor:
        """The index of the largest element along `axis`, int64."""
        return self.add(ArgMaxOp(axis=axis, keepdims=keepdims, select_last_index=select_last_index), x, name=name)[0]

    def argmin(
        self, x: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0, name: str = ""
    ) -> Tensor:
        """The index of the smallest element along `axis`, int64."""
        return self.add(ArgMinOp(axis=axis, keepdims=keepdims, select_last_index=select_last_index), x, name=name)[0]

    def asin(self, x: Tensor, *, name: str = "") -> Tensor:
        """The angle with this sine, in radians."""
        return self.add(AsinOp(), x, name=name)[0]

    def asinh(self, x: Tensor, *, name: str = "") -> Tensor:
        """The inverse of the hyperbolic sine."""
        return self.add(AsinhOp(), x, name=name)[0]

    def atan(self, x: Tensor, *, name: str = "") -> Tensor:
        """The angle with this tangent, in radians."""
        return self.add(AtanOp(), x, name=name)[0]

    def atanh(self, x: Tensor, *, name: str = "") -> Tensor:
        """The inverse of the hyperbolic tangent; NaN outside [-1, 1]."""
        return self.add(AtanhOp(), x, name=name)[0]

    def attention(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Tensor | None = None,
        lengths: Tensor | None = None,
        *,
        scale: float = 0.0,
        is_causal: bool = False,
        bottom_right: bool = False,
        softcap: float = 0.0,
        left_window: int = -1,
        right_window: int = -1,
        name: str = "",
    ) -> Tensor:
        """softmax(q k' * scale + mask) v: q [B, H, S, D], k [B, G, T, D], v [B, G, T, E] give [B, H, S, E].

        H is a multiple of G: consecutive heads of q share one of k and v. mask is added (or, if bool, False forbids) and
        broadcasts to [B, H, S, T]; beside bfloat16 it may be float32. `lengths` [B] (int64) forbids what lies beyond.
        `scale` 0 means 1 / sqrt(D). `softcap` c > 0 replaces a score s by c * tanh(s / c) before the mask. Query i stands
        at position i + offset; the offset is lengths - S with lengths, else T - S if `bottom_right`, else 0. With
        `is_causal` it sees keys up to its position, with `left_window` or `right_window` (-1: no limit) only so many
        before and after. Seeing nothing it gives 0."""
        return self.add(
            AttentionOp(
                scale=scale,
                is_causal=is_causal,
                bottom_right=bottom_right,
                softcap=softcap,
                left_window=left_window,
                right_window=right_window,
            ),
            q,
            k,
            v,
            mask,
            lengths,
            name=name,
        )[0]

    def average_pool(
        self,
        x: Tensor,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        kernel_shape: tuple[int, ...] = (),
        ceil_mode: bool = False,
        count_include_pad: bool = False,
        name: str = "",
    ) -> Tensor:
        """The mean of each window over the spatial axes of x [N, C, spatial].

        Padding counts as zeros with `count_include_pad`, else not at all; what `ceil_mode` adds behind never counts."""
        return self.add(
            AveragePoolOp(
                stride=stride,
                padding=padding,
                dilation=dilation,
                auto_pad=auto_pad,
                kernel_shape=kernel_shape,
                ceil_mode=ceil_mode,
                count_include_pad=count_include_pad,
            ),
            x,
            name=name,
        )[0]

    def batch_normalization(
        self,
        x: Tensor,
        scale: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        *,
        epsilon: float = 1e-05,
        name: str = "",
    ) -> Tensor:
        """(x - mean) / sqrt(variance + epsilon) * scale + bias for each channel of x (N, C, ...), by given statistics."""
        return self.add(BatchNormalizationOp(epsilon=epsilon), x, scale, bias, mean, variance, name=name)[0]

    def bernoulli(self, x: Tensor, *, dtype: DataType | None = None, seed: float = 0.0, name: str = "") -> Tensor:
        """1 with the probability given by each element of `x`, else 0; the same for the same `seed`."""
        return self.add(BernoulliOp(dtype=dtype, seed=seed), x, name=name)[0]

    def bit_cast(self, x: Tensor, *, to: DataType, name: str = "") -> Tensor:
        """The bits of `x` as elements of type `to`, which must be as wide."""
        return self.add(BitCastOp(to=to), x, name=name)[0]

    def bit_shift(self, a: Tensor, b: Tensor, *, direction: str, name: str = "") -> Tensor:
        """a shifted by b bits, LEFT or RIGHT (by copies of the sign), broadcast.

        Where b is negative or not below the width only the sign is left of a right shift, nothing of a left one."""
        return self.add(BitShiftOp(direction=direction), a, b, name=name)[0]

    def bitwise_and(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """The bits that both have, broadcast."""
        return self.add(BitwiseAndOp(), a, b, name=name)[0]

    def bitwise_not(self, x: Tensor, *, name: str = "") -> Tensor:
        """The bits that x has not."""
        return self.add(BitwiseNotOp(), x, name=name)[0]

    def bitwise_or(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """The bits that one has, broadcast."""
        return self.add(BitwiseOrOp(), a, b, name=name)[0]

    def bitwise_xor(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """The bits that just one has, broadcast."""
        return self.add(BitwiseXorOp(), a, b, name=name)[0]

    def cast(self, x: Tensor, *, to: DataType, saturate: bool = True, round_mode: str = "up", name: str = "") -> Tensor:
        """x in type `to`.

        Floats lose their fraction when they become integers. A number that is out of range becomes the nearest of the
        type, NaN becomes 0; integers wrap, and so does everything that becomes 2 or 4 bits wide. With `saturate` numbers
        too large for a float8 become its largest, else NaN or infinity. float8e8m0 holds powers of two: `round_mode` ("up",
        "down", "nearest" with ties up) says which one. Strings are read and written as decimal numbers."""
        return self.add(CastOp(to=to, saturate=saturate, round_mode=round_mode), x, name=name)[0]

    def ceil(self, x: Tensor, *, name: str = "") -> Tensor:
        """The smallest integer that is not below x."""
        return self.add(CeilOp(), x, name=name)[0]

    def celu(self, x: Tensor, *, alpha: float = 1.0, name: str = "") -> Tensor:
        """max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."""
        return self.add(CeluOp(alpha=alpha), x, name=name)[0]

    def center_crop_pad(
        self, x: Tensor, shape: Tensor, *, axes: tuple[int, ...] | None = None, name: str = ""
    ) -> Tensor:
        """`x` cut or padded with zeros to the sizes `shape` of `axes` (all if left out); the middle stays in the middle."""
        return self.add(CenterCropPadOp(axes=axes), x, shape, name=name)[0]

    def clip(self, x: Tensor, low: Tensor | None = None, high: Tensor | None = None, *, name: str = "") -> Tensor:
        """min(max(x, low), high); either bound, a scalar, may be left out."""
        return self.add(ClipOp(), x, low, high, name=name)[0]

    def col2im(
        self,
        x: Tensor,
        image_shape: Tensor,
        block_shape: Tensor,
        *,
        dilations: tuple[int, ...] = (),
        pads: tuple[int, ...] = (),
        strides: tuple[int, ...] = (),
        name: str = "",
    ) -> Tensor:
        """Columns [N, C * product(block_shape), L] added up as the blocks of an image [N, C, *image_shape].

        `dilations`, `pads` (beginnings, then ends) and `strides` say, as for a convolution, where the blocks lie."""
        return self.add(
            Col2ImOp(dilations=dilations, pads=pads, strides=strides), x, image_shape, block_shape, name=name
        )[0]

    def compress(self, x: Tensor, condition: Tensor, *, axis: int | None = None, name: str = "") -> Tensor:
        """The slices of `x` along `axis` for which `condition` holds; of x as one list if `axis` is left out."""
        return self.add(CompressOp(axis=axis), x, condition, name=name)[0]

    def concat(self, *inputs: Tensor | None, axis: int = 0, name: str = "") -> Tensor:
        """The inputs one after another along `axis`; all other sizes and the type must agree."""
        return self.add(ConcatOp(axis=axis), *inputs, name=name)[0]

    def constant_of_shape(
        self, shape: Tensor, *, value: int | float = 0.0, dtype: DataType = DataType.FLOAT32, name: str = ""
    ) -> Tensor:
        """A tensor of type `dtype` whose sizes are the numbers of `shape`, every element `value`."""
        return self.add(ConstantOfShapeOp(value=value, dtype=dtype), shape, name=name)[0]

    def conv(
        self,
        x: Tensor,
        w: Tensor,
        b: Tensor | None = None,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        group: int = 1,
        name: str = "",
    ) -> Tensor:
        """Convolution of x [N, C, spatial] by w [M, C / group, kernel] plus bias b [M]: [N, M, positions].

        `stride`, `dilation`: one number for all spatial axes or one for each; `padding`: likewise, or all begins and then
        all ends. `auto_pad` SAME_UPPER or SAME_LOWER pads to ceil(size / stride) positions, VALID not at all."""
        return self.add(
            ConvOp(stride=stride, padding=padding, dilation=dilation, auto_pad=auto_pad, group=group),
            x,
            w,
            b,
            name=name,
        )[0]

    def conv_integer(
        self,
        x: Tensor,
        w: Tensor,
        x_zero_point: Tensor | None = None,
        w_zero_point: Tensor | None = None,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        group: int = 1,
        name: str = "",
    ) -> Tensor:
        """Convolution of 8-bit x and w less their zero points, summed in int32; padding stands for zero. See conv."""
        return self.add(
            ConvIntegerOp(stride=stride, padding=padding, dilation=dilation, auto_pad=auto_pad, group=group),
            x,
            w,
            x_zero_point,
            w_zero_point,
            name=name,
        )[0]

    def conv_transpose(
        self,
        x: Tensor,
        w: Tensor,
        b: Tensor | None = None,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        group: int = 1,
        output_padding: int | tuple[int, ...] = 0,
        output_shape: tuple[int, ...] = (),
        name: str = "",
    ) -> Tensor:
        """Transposed convolution of x [N, C, spatial] by w [C, M / group, kernel] plus bias b [M].

        Output size of an axis: (size - 1) * stride + dilation * (kernel - 1) + 1 + output_padding - padding. With
        `output_shape` (or automatic padding: size * stride) the padding follows from the output size instead."""
        return self.add(
            ConvTransposeOp(
                stride=stride,
                padding=padding,
                dilation=dilation,
                auto_pad=auto_pad,
                group=group,
                output_padding=output_padding,
                output_shape=output_shape,
            ),
            x,
            w,
            b,
            name=name,
        )[0]

    def cos(self, x: Tensor, *, name: str = "") -> Tensor:
        """The cosine; x in radians."""
        return self.add(CosOp(), x, name=name)[0]

    def cosh(self, x: Tensor, *, name: str = "") -> Tensor:
        """The hyperbolic cosine."""
        return self.add(CoshOp(), x, name=name)[0]

    def cumprod(self, x: Tensor, axis: Tensor, *, exclusive: int = 0, reverse: int = 0, name: str = "") -> Tensor:
        """The product of all elements up to and with each one, along the axis that a scalar input gives.

        `exclusive`: without the element itself. `reverse`: from the end."""
        return self.add(CumProdOp(exclusive=exclusive, reverse=reverse), x, axis, name=name)[0]

    def cumsum(self, x: Tensor, axis: Tensor, *, exclusive: int = 0, reverse: int = 0, name: str = "") -> Tensor:
        """The sum of all elements up to and with each one, along the axis that a scalar input gives.

        `exclusive`: without the element itself. `reverse`: from the end."""
        return self.add(CumSumOp(exclusive=exclusive, reverse=reverse), x, axis, name=name)[0]

    def dft(
        self,
        x: Tensor,
        dft_length: Tensor | None = None,
        axis: Tensor | None = None,
        *,
        inverse: bool = False,
        onesided: bool = False,
        name: str = "",
    ) -> Tensor:
        """The discrete Fourier transform of x [..., 1] (real) or [..., 2] (real, imaginary) along `axis` (an input, -2).

        dft_length cuts the axis or fills it with zeros. `inverse` divides by the length. `onesided` gives the first half
        and one of a real signal; inverse and onesided together take such a half and give a real signal [..., 1]."""
        return self.add(DFTOp(inverse=inverse, onesided=onesided), x, dft_length, axis, name=name)[0]

    def deform_conv(
        self,
        x: Tensor,
        w: Tensor,
        offset: Tensor,
        b: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        group: int = 1,
        offset_group: int = 1,
        name: str = "",
    ) -> Tensor:
        """Deformable 2-D convolution of x [N, C, H, W] by w [M, C / group, kh, kw] plus bias b [M] (see conv).

        offset [N, offset_group * kh * kw * 2, oh, ow] holds the shift (y, x) of each element of the window; mask [N,
        offset_group * kh * kw, oh, ow] multiplies it. Between pixels the value is linear, outside of x it is 0."""
        return self.add(
            DeformConvOp(
                stride=stride,
                padding=padding,
                dilation=dilation,
                auto_pad=auto_pad,
                group=group,
                offset_group=offset_group,
            ),
            x,
            w,
            offset,
            b,
            mask,
            name=name,
        )[0]

    def depth_to_space(self, x: Tensor, *, blocksize: int, mode: str = "DCR", name: str = "") -> Tensor:
        """Channels of x [N, C, H, W] set out as squares of `blocksize`: [N, C / b², H b, W b].

        `mode` "DCR": the place in the square is the slower part of the channel; "CRD": the faster."""
        return self.add(DepthToSpaceOp(blocksize=blocksize, mode=mode), x, name=name)[0]

    def dequantize_linear(
        self,
        x: Tensor,
        x_scale: Tensor,
        x_zero_point: Tensor | None = None,
        *,
        axis: int = 1,
        block_size: int = 0,
        output_dtype: DataType | None = None,
        name: str = "",
    ) -> Tensor:
        """(x - x_zero_point) * x_scale, in the type of x_scale unless `output_dtype` says another.

        The scale is one number, one for each index of `axis`, or one for each block of `block_size` along it."""
        return self.add(
            DequantizeLinearOp(axis=axis, block_size=block_size, output_dtype=output_dtype),
            x,
            x_scale,
            x_zero_point,
            name=name,
        )[0]

    def det(self, x: Tensor, *, name: str = "") -> Tensor:
        """The determinant of each matrix of x [..., M, M]: [...]."""
        return self.add(DetOp(), x, name=name)[0]

    def div(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """a / b, broadcast; integers are rounded toward zero, and give 0 where b is 0."""
        return self.add(DivOp(), a, b, name=name)[0]

    def dynamic_quantize_lstm(
        self,
        x: Tensor,
        w: Tensor,
        r: Tensor,
        w_scale: Tensor,
        w_zero_point: Tensor,
        r_scale: Tensor,
        r_zero_point: Tensor,
        b: Tensor | None = None,
        sequence_lens: Tensor | None = None,
        initial_h: Tensor | None = None,
        initial_c: Tensor | None = None,
        p: Tensor | None = None,
        *,
        direction: str = "forward",
        layout: int = 0,
        activations: tuple[str, ...] = (),
        activation_alpha: tuple[float, ...] = (),
        activation_beta: tuple[float, ...] = (),
        clip: float = 0.0,
        input_forget: bool = False,
        name: str = "",
    ) -> tuple[Tensor, Tensor, Tensor]:
        """LSTM with quantized weights: as lstm, but w [directions, inputs, 4 hidden], r [directions, hidden, 4 hidden].

        Scales and zero points have one number for each direction, or [directions, 4 hidden]. x is quantized as a whole to
        uint8 by its range, the hidden state of each sequence likewise at each step; products are summed in int32."""
        return cast(
            "tuple[Tensor, Tensor, Tensor]",
            self.add(
                DynamicQuantizeLSTMOp(
                    direction=direction,
                    layout=layout,
                    activations=activations,
                    activation_alpha=activation_alpha,
                    activation_beta=activation_beta,
                    clip=clip,
                    input_forget=input_forget,
                ),
                x,
                w,
                r,
                w_scale,
                w_zero_point,
                r_scale,
                r_zero_point,
                b,
                sequence_lens,
                initial_h,
                initial_c,
                p,
                name=name,
            ),
        )

    def dynamic_quantize_linear(self, x: Tensor, *, name: str = "") -> tuple[Tensor, Tensor, Tensor]:
        """x as uint8 with the scale and zero point that fit its range (widened to hold 0): y, y_scale, y_zero_point."""
        return cast("tuple[Tensor, Tensor, Tensor]", self.add(DynamicQuantizeLinearOp(), x, name=name))

    def einsum(self, *inputs: Tensor | None, equation: str, name: str = "") -> Tensor:
        """The sum of products that `equation` describes, such as "bik,bkj->bij"; letters, "..." and "->" as in NumPy."""
        return self.add(EinsumOp(equation=equation), *inputs, name=name)[0]

    def elu(self, x: Tensor, *, alpha: float = 1.0, name: str = "") -> Tensor:
        """x where x >= 0, else alpha * (exp(x) - 1)."""
        return self.add(EluOp(alpha=alpha), x, name=name)[0]

    def equal(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether a is b, broadcast; strings too."""
        return self.add(EqualOp(), a, b, name=name)[0]

    def erf(self, x: Tensor, *, name: str = "") -> Tensor:
        """The error function."""
        return self.add(ErfOp(), x, name=name)[0]

    def exp(self, x: Tensor, *, name: str = "") -> Tensor:
        """e to the power of x."""
        return self.add(ExpOp(), x, name=name)[0]

    def expand(self, x: Tensor, shape: Tensor, *, name: str = "") -> Tensor:
        """`x` broadcast with `shape`: axes of size 1 are repeated; where `shape` has 1, the axis keeps its size."""
        return self.add(ExpandOp(), x, shape, name=name)[0]

    def eye_like(self, x: Tensor, *, dtype: DataType | None = None, k: int = 0, name: str = "") -> Tensor:
        """Ones on the diagonal `k` (above the main one if positive) of a matrix of the shape of `x`, zeros elsewhere."""
        return self.add(EyeLikeOp(dtype=dtype, k=k), x, name=name)[0]

    def flatten(self, x: Tensor, *, axis: int = 1, name: str = "") -> Tensor:
        """`x` as a matrix: axes before `axis` are the rows, the others the columns."""
        return self.add(FlattenOp(axis=axis), x, name=name)[0]

    def floor(self, x: Tensor, *, name: str = "") -> Tensor:
        """The largest integer that is not above x."""
        return self.add(FloorOp(), x, name=name)[0]

    def gru(
        self,
        x: Tensor,
        w: Tensor,
        r: Tensor,
        b: Tensor | None = None,
        sequence_lens: Tensor | None = None,
        initial_h: Tensor | None = None,
        *,
        direction: str = "forward",
        layout: int = 0,
        activations: tuple[str, ...] = (),
        activation_alpha: tuple[float, ...] = (),
        activation_beta: tuple[float, ...] = (),
        clip: float = 0.0,
        linear_before_reset: bool = False,
        name: str = "",
    ) -> tuple[Tensor, Tensor]:
        """Gated recurrent unit: y [time, directions, batch, hidden] and the last y_h [directions, batch, hidden].

        x [time, batch, inputs], w [directions, 3 hidden, inputs], r [directions, 3 hidden, hidden], b [directions, 6
        hidden], gates in the order update, reset, hidden. `linear_before_reset` multiplies by the reset gate after r."""
        return cast(
            "tuple[Tensor, Tensor]",
            self.add(
                GRUOp(
                    direction=direction,
                    layout=layout,
                    activations=activations,
                    activation_alpha=activation_alpha,
                    activation_beta=activation_beta,
                    clip=clip,
                    linear_before_reset=linear_before_reset,
                ),
                x,
                w,
                r,
                b,
                sequence_lens,
                initial_h,
                name=name,
            ),
        )

    def gather(self, data: Tensor, indices: Tensor, *, axis: int = 0, name: str = "") -> Tensor:
        """The slices of `data` along `axis` that `indices` name; negative indices count from the end.

        The axis is replaced by the axes of `indices`."""
        return self.add(GatherOp(axis=axis), data, indices, name=name)[0]

    def gather_elements(self, data: Tensor, indices: Tensor, *, axis: int = 0, name: str = "") -> Tensor:
        """For each index the element of `data` at the same place, but for `axis`, where the index says it."""
        return self.add(GatherElementsOp(axis=axis), data, indices, name=name)[0]

    def gather_nd(self, data: Tensor, indices: Tensor, *, batch_dims: int = 0, name: str = "") -> Tensor:
        """The slices of `data` whose places along its first axes stand in the last axis of `indices`.

        The first `batch_dims` axes are common to both: one set of indices for each of their elements."""
        return self.add(GatherNDOp(batch_dims=batch_dims), data, indices, name=name)[0]

    def gelu(self, x: Tensor, *, approximate: str = "none", name: str = "") -> Tensor:
        """x times the normal distribution function of x; `approximate`: "none", or "tanh" for the usual approximation."""
        return self.add(GeluOp(approximate=approximate), x, name=name)[0]

    def gemm(
        self,
        a: Tensor,
        b: Tensor,
        c: Tensor | None = None,
        *,
        alpha: float = 1.0,
        beta: float = 1.0,
        trans_a: bool = False,
        trans_b: bool = False,
        name: str = "",
    ) -> Tensor:
        """alpha * a' b' + beta * c for matrices a' [M, K] and b' [K, N] (transposed where asked), c repeated to [M, N]."""
        return self.add(GemmOp(alpha=alpha, beta=beta, trans_a=trans_a, trans_b=trans_b), a, b, c, name=name)[0]

    def global_average_pool(self, x: Tensor, *, name: str = "") -> Tensor:
        """The mean of each channel: x [N, C, spatial] gives [N, C, 1, ...]."""
        return self.add(GlobalAveragePoolOp(), x, name=name)[0]

    def global_lp_pool(self, x: Tensor, *, p: int = 2, name: str = "") -> Tensor:
        """The p-norm of each channel: x [N, C, spatial] gives [N, C, 1, ...]."""
        return self.add(GlobalLpPoolOp(p=p), x, name=name)[0]

    def global_max_pool(self, x: Tensor, *, name: str = "") -> Tensor:
        """The largest element of each channel: x [N, C, spatial] gives [N, C, 1, ...]."""
        return self.add(GlobalMaxPoolOp(), x, name=name)[0]

    def greater(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether a > b, broadcast."""
        return self.add(GreaterOp(), a, b, name=name)[0]

    def greater_or_equal(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether a >= b, broadcast."""
        return self.add(GreaterOrEqualOp(), a, b, name=name)[0]

    def grid_sample(
        self,
        x: Tensor,
        grid: Tensor,
        *,
        mode: str = "linear",
        padding_mode: str = "zeros",
        align_corners: bool = False,
        name: str = "",
    ) -> Tensor:
        """x [N, C, spatial] at the places grid [N, output, number of axes] names, in coordinates -1 to 1, last axis first.

        `mode`: nearest, linear or cubic. `padding_mode` outside of x: zeros, border or reflection. `align_corners`: -1 and
        1 are the centres of the outer elements, else their outer edges."""
        return self.add(
            GridSampleOp(mode=mode, padding_mode=padding_mode, align_corners=align_corners), x, grid, name=name
        )[0]

    def group_normalization(
        self,
        x: Tensor,
        scale: Tensor,
        bias: Tensor,
        *,
        num_groups: int,
        epsilon: float = 1e-05,
        stash_type: int = 1,
        name: str = "",
    ) -> Tensor:
        """x (N, C, ...) normalized over each of `num_groups` groups of channels, times scale, plus bias (C)."""
        return self.add(
            GroupNormalizationOp(num_groups=num_groups, epsilon=epsilon, stash_type=stash_type),
            x,
            scale,
            bias,
            name=name,
        )[0]

    def hard_sigmoid(self, x: Tensor, *, alpha: float = 0.2, beta: float = 0.5, name: str = "") -> Tensor:
        """max(0, min(1, alpha * x + beta))."""
        return self.add(HardSigmoidOp(alpha=alpha, beta=beta), x, name=name)[0]

    def hard_swish(self, x: Tensor, *, name: str = "") -> Tensor:
        """x * max(0, min(1, x / 6 + 0.5))."""
        return self.add(HardSwishOp(), x, name=name)[0]

    def hardmax(self, x: Tensor, *, axis: int = -1, name: str = "") -> Tensor:
        """1 at the first largest element along `axis`, 0 elsewhere."""
        return self.add(HardmaxOp(axis=axis), x, name=name)[0]

    def identity(self, x: Tensor, *, name: str = "") -> Tensor:
        """`x` as it is."""
        return self.add(IdentityOp(), x, name=name)[0]

    def if_(
        self, cond: Tensor, *captures: Tensor | None, then_branch: Network, else_branch: Network, name: str = ""
    ) -> tuple[Tensor, ...]:
        """The outputs of `then_branch` where cond (one bool) is true, else those of `else_branch`.

        Both networks have the captured tensors as inputs, in the same order, and as many outputs, of the same types and
        numbers of axes."""
        return self.add(IfOp(then_branch=then_branch, else_branch=else_branch), cond, *captures, name=name)

    def image_decoder(self, x: Tensor, *, pixel_format: str = "RGB", name: str = "") -> Tensor:
        """The image [H, W, channels] in the file whose bytes `x` [N] are, of `pixel_format` RGB, BGR or Grayscale.

        BMP, JPEG, JPEG 2000, TIFF, PNG, WebP and PNM. What cannot be decoded gives an image without pixels."""
        return self.add(ImageDecoderOp(pixel_format=pixel_format), x, name=name)[0]

    def instance_normalization(
        self, x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float = 1e-05, name: str = ""
    ) -> Tensor:
        """x (N, C, ...) normalized over the spatial axes of each sample and channel, times scale, plus bias (C)."""
        return self.add(InstanceNormalizationOp(epsilon=epsilon), x, scale, bias, name=name)[0]

    def isinf(self, x: Tensor, *, detect_negative: int = 1, detect_positive: int = 1, name: str = "") -> Tensor:
        """Whether x is infinite, of the signs that are asked for."""
        return self.add(IsInfOp(detect_negative=detect_negative, detect_positive=detect_positive), x, name=name)[0]

    def isnan(self, x: Tensor, *, name: str = "") -> Tensor:
        """Whether x is not a number."""
        return self.add(IsNaNOp(), x, name=name)[0]

    def lrn(
        self, x: Tensor, *, size: int, alpha: float = 0.0001, beta: float = 0.75, bias: float = 1.0, name: str = ""
    ) -> Tensor:
        """x / (bias + alpha / size * s) ** beta, where s sums the squares of the `size` channels around each one."""
        return self.add(LRNOp(size=size, alpha=alpha, beta=beta, bias=bias), x, name=name)[0]

    def lstm(
        self,
        x: Tensor,
        w: Tensor,
        r: Tensor,
        b: Tensor | None = None,
        sequence_lens: Tensor | None = None,
        initial_h: Tensor | None = None,
        initial_c: Tensor | None = None,
        p: Tensor | None = None,
        *,
        direction: str = "forward",
        layout: int = 0,
        activations: tuple[str, ...] = (),
        activation_alpha: tuple[float, ...] = (),
        activation_beta: tuple[float, ...] = (),
        clip: float = 0.0,
        input_forget: bool = False,
        name: str = "",
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Long short-term memory: y [time, directions, batch, hidden], and last y_h and y_c [directions, batch, hidden].

        x [time, batch, inputs], w [directions, 4 hidden, inputs], r [directions, 4 hidden, hidden], b [directions, 8
        hidden], gates in the order input, output, forget, cell; p [directions, 3 hidden]: peepholes input, output, forget."""
        return cast(
            "tuple[Tensor, Tensor, Tensor]",
            self.add(
                LSTMOp(
                    direction=direction,
                    layout=layout,
                    activations=activations,
                    activation_alpha=activation_alpha,
                    activation_beta=activation_beta,
                    clip=clip,
                    input_forget=input_forget,
                ),
                x,
                w,
                r,
                b,
                sequence_lens,
                initial_h,
                initial_c,
                p,
                name=name,
            ),
        )

    def label_encoder(self, x: Tensor, keys: Tensor, values: Tensor, default: Tensor, *, name: str = "") -> Tensor:
        """Each element of `x` that is among `keys` [K] as the value at its place in `values` [K], others as `default` [1].

        A key that is no number stands for all that are none; of equal keys the last counts."""
        return self.add(LabelEncoderOp(), x, keys, values, default, name=name)[0]

    def layer_normalization(
        self,
        x: Tensor,
        scale: Tensor,
        bias: Tensor | None = None,
        *,
        axis: int = -1,
        epsilon: float = 1e-05,
        stash_type: int = 1,
        name: str = "",
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x less its mean, divided by its standard deviation, over all axes from `axis` on; times scale plus bias.

        scale and bias are repeated to the shape of x. Outputs: the result, and mean and 1 / standard deviation in
        float32 (float64 of float64), reduced axes being 1. `stash_type` is kept for ONNX; sums are float32 at least."""
        return cast(
            "tuple[Tensor, Tensor, Tensor]",
            self.add(
                LayerNormalizationOp(axis=axis, epsilon=epsilon, stash_type=stash_type), x, scale, bias, name=name
            ),
        )

    def leaky_relu(self, x: Tensor, *, alpha: float = 0.01, name: str = "") -> Tensor:
        """x where x >= 0, else alpha * x."""
        return self.add(LeakyReluOp(alpha=alpha), x, name=name)[0]

    def less(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether a < b, broadcast."""
        return self.add(LessOp(), a, b, name=name)[0]

    def less_or_equal(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether a <= b, broadcast."""
        return self.add(LessOrEqualOp(), a, b, name=name)[0]

    def log(self, x: Tensor, *, name: str = "") -> Tensor:
        """The natural logarithm; NaN below 0, -inf at 0."""
        return self.add(LogOp(), x, name=name)[0]

    def log_softmax(self, x: Tensor, *, axis: int = -1, name: str = "") -> Tensor:
        """x - log(sum(exp(x))) along `axis`."""
        return self.add(LogSoftmaxOp(axis=axis), x, name=name)[0]

    def loop(
        self,
        trip_count: Tensor | None = None,
        cond: Tensor | None = None,
        *values: Tensor | None,
        body: Network,
        n_carried: int,
        n_scan: int = 0,
        name: str = "",
    ) -> tuple[Tensor, ...]:
        """Runs `body` up to trip_count times, as long as its condition holds; both may be left out.

        Inputs: trip_count (one int64), cond (one bool), `n_carried` initial values, captured tensors. Inputs of the body:
        iteration (int64), condition (bool), carried values, captured tensors; its outputs: condition, carried values,
        `n_scan` values that are stacked over all iterations. Outputs: last carried values, stacked values."""
        return self.add(LoopOp(body=body, n_carried=n_carried, n_scan=n_scan), trip_count, cond, *values, name=name)

    def lp_normalization(self, x: Tensor, *, axis: int = -1, p: int = 2, name: str = "") -> Tensor:
        """x divided by its norm along `axis`: p = 1, the sum of magnitudes, or 2, the root of the sum of squares.

        0 where the norm is 0."""
        return self.add(LpNormalizationOp(axis=axis, p=p), x, name=name)[0]

    def lp_pool(
        self,
        x: Tensor,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        kernel_shape: tuple[int, ...] = (),
        ceil_mode: bool = False,
        p: int = 2,
        name: str = "",
    ) -> Tensor:
        """The p-norm of each window over the spatial axes of x [N, C, spatial]."""
        return self.add(
            LpPoolOp(
                stride=stride,
                padding=padding,
                dilation=dilation,
                auto_pad=auto_pad,
                kernel_shape=kernel_shape,
                ceil_mode=ceil_mode,
                p=p,
            ),
            x,
            name=name,
        )[0]

    def matmul(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """The matrix product of the last two axes of a [..., M, K] and b [..., K, N], other axes broadcast: [..., M, N]."""
        return self.add(MatMulOp(), a, b, name=name)[0]

    def mat_mul_integer(
        self,
        a: Tensor,
        b: Tensor,
        a_zero_point: Tensor | None = None,
        b_zero_point: Tensor | None = None,
        *,
        name: str = "",
    ) -> Tensor:
        """The product of 8-bit integer matrices less their zero points, summed in int32; shapes as for matmul."""
        return self.add(MatMulIntegerOp(), a, b, a_zero_point, b_zero_point, name=name)[0]

    def max(self, *xs: Tensor | None, name: str = "") -> Tensor:
        """The largest of all inputs, broadcast; NaN where one is NaN."""
        return self.add(MaxOp(), *xs, name=name)[0]

    def max_pool(
        self,
        x: Tensor,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        kernel_shape: tuple[int, ...] = (),
        ceil_mode: bool = False,
        name: str = "",
    ) -> Tensor:
        """The largest element in each window over the spatial axes of x [N, C, spatial]; padding never wins.

        `ceil_mode` keeps a last window that reaches beyond the padded data. See conv for stride, padding and dilation."""
        return self.add(
            MaxPoolOp(
                stride=stride,
                padding=padding,
                dilation=dilation,
                auto_pad=auto_pad,
                kernel_shape=kernel_shape,
                ceil_mode=ceil_mode,
            ),
            x,
            name=name,
        )[0]

    def max_pool_with_indices(
        self,
        x: Tensor,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        kernel_shape: tuple[int, ...] = (),
        ceil_mode: bool = False,
        storage_order: int = 0,
        name: str = "",
    ) -> tuple[Tensor, Tensor]:
        """As max_pool, and where each largest element stands in x seen as one list (int64).

        `storage_order` 1 counts the spatial axes column by column instead of row by row."""
        return cast(
            "tuple[Tensor, Tensor]",
            self.add(
                MaxPoolWithIndicesOp(
                    stride=stride,
                    padding=padding,
                    dilation=dilation,
                    auto_pad=auto_pad,
                    kernel_shape=kernel_shape,
                    ceil_mode=ceil_mode,
                    storage_order=storage_order,
                ),
                x,
                name=name,
            ),
        )

    def max_roi_pool(
        self, x: Tensor, rois: Tensor, *, pooled_shape: tuple[int, int], spatial_scale: float = 1.0, name: str = ""
    ) -> Tensor:
        """The largest elements of a grid of pooled_shape bins over each box of rois [R, 5] (image, x, y, x, y)."""
        return self.add(MaxRoiPoolOp(pooled_shape=pooled_shape, spatial_scale=spatial_scale), x, rois, name=name)[0]

    def max_unpool(
        self,
        x: Tensor,
        indices: Tensor,
        output_shape: Tensor | None = None,
        *,
        kernel_shape: tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        name: str = "",
    ) -> Tensor:
        """x [N, C, spatial] scattered to `indices` of a tensor of zeros, the input of the pool that is undone.

        Its size is (size - 1) * stride + kernel - padding on each axis; `output_shape` (int64, all axes) cuts or fills up
        at the ends."""
        return self.add(
            MaxUnpoolOp(kernel_shape=kernel_shape, stride=stride, padding=padding), x, indices, output_shape, name=name
        )[0]

    def mean(self, *xs: Tensor | None, name: str = "") -> Tensor:
        """The mean of all inputs, broadcast."""
        return self.add(MeanOp(), *xs, name=name)[0]

    def mel_weight_matrix(
        self,
        num_mel_bins: Tensor,
        dft_length: Tensor,
        sample_rate: Tensor,
        lower_edge_hertz: Tensor,
        upper_edge_hertz: Tensor,
        *,
        output_datatype: DataType = DataType.FLOAT32,
        name: str = "",
    ) -> Tensor:
        """The matrix [dft_length / 2 + 1, num_mel_bins] that weighs a spectrogram's bins into mel bins: triangles."""
        return self.add(
            MelWeightMatrixOp(output_datatype=output_datatype),
            num_mel_bins,
            dft_length,
            sample_rate,
            lower_edge_hertz,
            upper_edge_hertz,
            name=name,
        )[0]

    def min(self, *xs: Tensor | None, name: str = "") -> Tensor:
        """The smallest of all inputs, broadcast; NaN where one is NaN."""
        return self.add(MinOp(), *xs, name=name)[0]

    def mish(self, x: Tensor, *, name: str = "") -> Tensor:
        """x * tanh(softplus(x))."""
        return self.add(MishOp(), x, name=name)[0]

    def mod(self, a: Tensor, b: Tensor, *, fmod: int = 0, name: str = "") -> Tensor:
        """The remainder of a / b, broadcast: with the sign of b, or with `fmod` that of a; 0 where an integer b is 0."""
        return self.add(ModOp(fmod=fmod), a, b, name=name)[0]

    def mul(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """a * b, broadcast; integers wrap."""
        return self.add(MulOp(), a, b, name=name)[0]

    def multinomial(
        self, x: Tensor, *, sample_size: int = 1, seed: float = 0.0, dtype: DataType = DataType.INT32, name: str = ""
    ) -> Tensor:
        """`sample_size` classes drawn for each row of `x` [batch, classes], which holds logarithms of their weights."""
        return self.add(MultinomialOp(sample_size=sample_size, seed=seed, dtype=dtype), x, name=name)[0]

    def neg(self, x: Tensor, *, name: str = "") -> Tensor:
        """-x."""
        return self.add(NegOp(), x, name=name)[0]

    def non_max_suppression(
        self,
        boxes: Tensor,
        scores: Tensor,
        max_output_boxes_per_class: Tensor | None = None,
        iou_threshold: Tensor | None = None,
        score_threshold: Tensor | None = None,
        *,
        center_point_box: bool = False,
        name: str = "",
    ) -> Tensor:
        """The chosen boxes as rows (batch, class, box) of int64, batch by batch, class by class, highest score first.

        boxes [B, N, 4] are two corners (y, x, y, x) in any order, or with `center_point_box` (x, y, width, height); scores
        [B, C, N]. A box is dropped if its score is not above score_threshold, or if its intersection over union with a
        chosen one of the class is above iou_threshold (0 if left out). Without max_output_boxes_per_class there is none."""
        return self.add(
            NonMaxSuppressionOp(center_point_box=center_point_box),
            boxes,
            scores,
            max_output_boxes_per_class,
            iou_threshold,
            score_threshold,
            name=name,
        )[0]

    def nonzero(self, x: Tensor, *, name: str = "") -> Tensor:
        """The places of all elements of `x` that are not zero, in row-major order: int64 [rank, count]."""
        return self.add(NonZeroOp(), x, name=name)[0]

    def not_(self, x: Tensor, *, name: str = "") -> Tensor:
        """Whether x is false."""
        return self.add(NotOp(), x, name=name)[0]

    def one_hot(self, indices: Tensor, depth: Tensor, values: Tensor, *, axis: int = -1, name: str = "") -> Tensor:
        """For each index a list of `depth` elements along a new `axis`: values[1] at the index, values[0] elsewhere.

        Negative indices count from the end; an index outside gives no values[1] at all."""
        return self.add(OneHotOp(axis=axis), indices, depth, values, name=name)[0]

    def or_(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether one is true, broadcast."""
        return self.add(OrOp(), a, b, name=name)[0]

    def prelu(self, x: Tensor, slope: Tensor, *, name: str = "") -> Tensor:
        """x where x >= 0, else slope * x; slope is repeated to the shape of x."""
        return self.add(PReluOp(), x, slope, name=name)[0]

    def pad(
        self,
        data: Tensor,
        pads: Tensor,
        constant_value: Tensor | None = None,
        axes: Tensor | None = None,
        *,
        mode: str = "constant",
        name: str = "",
    ) -> Tensor:
        """`data` with `pads` elements added at the beginning and end of each of `axes` (all if left out).

        `pads` holds all beginnings, then all ends; negative numbers take elements away. What is added is
        `constant_value` (0), or by `mode` "reflect" what lies beyond the edge mirrored, "edge" the edge itself, "wrap" the
        other end."""
        return self.add(PadOp(mode=mode), data, pads, constant_value, axes, name=name)[0]

    def pow(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """a to the power of b, broadcast, in the type of a; b may have any other type of numbers."""
        return self.add(PowOp(), a, b, name=name)[0]

    def q_linear_conv(
        self,
        x: Tensor,
        x_scale: Tensor,
        x_zero_point: Tensor,
        w: Tensor,
        w_scale: Tensor,
        w_zero_point: Tensor,
        y_scale: Tensor,
        y_zero_point: Tensor,
        b: Tensor | None = None,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        group: int = 1,
        name: str = "",
    ) -> Tensor:
        """Convolution of quantized x and w plus int32 bias b (in steps of x_scale * w_scale), quantized again; see conv."""
        return self.add(
            QLinearConvOp(stride=stride, padding=padding, dilation=dilation, auto_pad=auto_pad, group=group),
            x,
            x_scale,
            x_zero_point,
            w,
            w_scale,
            w_zero_point,
            y_scale,
            y_zero_point,
            b,
            name=name,
        )[0]

    def q_linear_mat_mul(
        self,
        a: Tensor,
        a_scale: Tensor,
        a_zero_point: Tensor,
        b: Tensor,
        b_scale: Tensor,
        b_zero_point: Tensor,
        y_scale: Tensor,
        y_zero_point: Tensor,
        *,
        name: str = "",
    ) -> Tensor:
        """The matrix product of quantized a and b, quantized again: y = saturate(round(a b / y_scale) + y_zero_point)."""
        return self.add(
            QLinearMatMulOp(), a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point, name=name
        )[0]

    def quantize_linear(
        self,
        x: Tensor,
        y_scale: Tensor,
        y_zero_point: Tensor | None = None,
        *,
        axis: int = 1,
        block_size: int = 0,
        output_dtype: DataType = DataType.UINT8,
        saturate: bool = True,
        name: str = "",
    ) -> Tensor:
        """saturate(round(x / y_scale) + y_zero_point), ties to even.

        The scale is one number, one for each index of `axis`, or one for each block of `block_size` along it. The type is
        that of y_zero_point, else `output_dtype`. `saturate` False lets float8 overflow to infinity or NaN."""
        return self.add(
            QuantizeLinearOp(axis=axis, block_size=block_size, output_dtype=output_dtype, saturate=saturate),
            x,
            y_scale,
            y_zero_point,
            name=name,
        )[0]

    def rms_normalization(
        self, x: Tensor, scale: Tensor, *, axis: int = -1, epsilon: float = 1e-05, stash_type: int = 1, name: str = ""
    ) -> Tensor:
        """x divided by the root of its mean square over all axes from `axis` on, times scale, which is repeated."""
        return self.add(RMSNormalizationOp(axis=axis, epsilon=epsilon, stash_type=stash_type), x, scale, name=name)[0]

    def rnn(
        self,
        x: Tensor,
        w: Tensor,
        r: Tensor,
        b: Tensor | None = None,
        sequence_lens: Tensor | None = None,
        initial_h: Tensor | None = None,
        *,
        direction: str = "forward",
        layout: int = 0,
        activations: tuple[str, ...] = (),
        activation_alpha: tuple[float, ...] = (),
        activation_beta: tuple[float, ...] = (),
        clip: float = 0.0,
        name: str = "",
    ) -> tuple[Tensor, Tensor]:
        """Plain recurrence h = tanh(x w' + h r' + b): y [time, directions, batch, hidden] and the last y_h.

        x [time, batch, inputs], w [directions, hidden, inputs], r [directions, hidden, hidden], b [directions, 2 hidden]."""
        return cast(
            "tuple[Tensor, Tensor]",
            self.add(
                RNNOp(
                    direction=direction,
                    layout=layout,
                    activations=activations,
                    activation_alpha=activation_alpha,
                    activation_beta=activation_beta,
                    clip=clip,
                ),
                x,
                w,
                r,
                b,
                sequence_lens,
                initial_h,
                name=name,
            ),
        )

    def random_normal(
        self,
        *,
        shape: tuple[int, ...],
        mean: float = 0.0,
        scale: float = 1.0,
        seed: float = 0.0,
        dtype: DataType = DataType.FLOAT32,
        name: str = "",
    ) -> Tensor:
        """Numbers of the normal distribution around `mean` with deviation `scale`; the same for the same `seed`."""
        return self.add(RandomNormalOp(shape=shape, mean=mean, scale=scale, seed=seed, dtype=dtype), name=name)[0]

    def random_normal_like(
        self,
        x: Tensor,
        *,
        mean: float = 0.0,
        scale: float = 1.0,
        seed: float = 0.0,
        dtype: DataType | None = None,
        name: str = "",
    ) -> Tensor:
        """As RandomNormal, in the shape of `x` and, where `dtype` is left out, of its type."""
        return self.add(RandomNormalLikeOp(mean=mean, scale=scale, seed=seed, dtype=dtype), x, name=name)[0]

    def random_uniform(
        self,
        *,
        shape: tuple[int, ...],
        low: float = 0.0,
        high: float = 1.0,
        seed: float = 0.0,
        dtype: DataType = DataType.FLOAT32,
        name: str = "",
    ) -> Tensor:
        """Numbers spread evenly from `low` to below `high`; the same for the same `seed`."""
        return self.add(RandomUniformOp(shape=shape, low=low, high=high, seed=seed, dtype=dtype), name=name)[0]

    def random_uniform_like(
        self,
        x: Tensor,
        *,
        low: float = 0.0,
        high: float = 1.0,
        seed: float = 0.0,
        dtype: DataType | None = None,
        name: str = "",
    ) -> Tensor:
        """As RandomUniform, in the shape of `x` and, where `dtype` is left out, of its type."""
        return self.add(RandomUniformLikeOp(low=low, high=high, seed=seed, dtype=dtype), x, name=name)[0]

    def range(self, start: Tensor, limit: Tensor, delta: Tensor, *, name: str = "") -> Tensor:
        """start, start + delta, start + 2 delta, ... up to before `limit`: three scalars of one type."""
        return self.add(RangeOp(), start, limit, delta, name=name)[0]

    def reciprocal(self, x: Tensor, *, name: str = "") -> Tensor:
        """1 / x."""
        return self.add(ReciprocalOp(), x, name=name)[0]

    def reduce_l1(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The sum of magnitudes over `axes`."""
        return self.add(ReduceL1Op(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name)[0]

    def reduce_l2(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The root of the sum of squares over `axes`; integers lose the fraction."""
        return self.add(ReduceL2Op(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name)[0]

    def reduce_log_sum(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The logarithm of the sum over `axes`; integers lose the fraction."""
        return self.add(
            ReduceLogSumOp(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name
        )[0]

    def reduce_log_sum_exp(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The logarithm of the sum of exponentials over `axes`, without overflow; integers lose the fraction."""
        return self.add(
            ReduceLogSumExpOp(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name
        )[0]

    def reduce_max(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The largest element over `axes`; of no elements the smallest number of the type; NaN where one is NaN."""
        return self.add(ReduceMaxOp(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name)[
            0
        ]

    def reduce_mean(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The mean over `axes`; of integers rounded toward zero."""
        return self.add(ReduceMeanOp(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name)[
            0
        ]

    def reduce_min(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The smallest element over `axes`; of no elements the largest number of the type; NaN where one is NaN."""
        return self.add(ReduceMinOp(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name)[
            0
        ]

    def reduce_prod(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The product over `axes`; integers wrap."""
        return self.add(ReduceProdOp(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name)[
            0
        ]

    def reduce_sum(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The sum over `axes`; integers wrap."""
        return self.add(ReduceSumOp(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name)[
            0
        ]

    def reduce_sum_square(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The sum of squares over `axes`; integers wrap."""
        return self.add(
            ReduceSumSquareOp(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name
        )[0]

    def regex_full_match(self, x: Tensor, *, pattern: str, name: str = "") -> Tensor:
        """Whether each whole text of `x` matches the regular expression `pattern`."""
        return self.add(RegexFullMatchOp(pattern=pattern), x, name=name)[0]

    def relu(self, x: Tensor, *, name: str = "") -> Tensor:
        """max(x, 0)."""
        return self.add(ReluOp(), x, name=name)[0]

    def reshape(self, data: Tensor, shape: Tensor, *, allowzero: bool = False, name: str = "") -> Tensor:
        """`data` in the shape given by `shape`: one size may be -1 (what is left); 0 keeps the size unless `allowzero`."""
        return self.add(ReshapeOp(allowzero=allowzero), data, shape, name=name)[0]

    def resize(
        self,
        x: Tensor,
        roi: Tensor | None = None,
        scales: Tensor | None = None,
        sizes: Tensor | None = None,
        *,
        mode: str = "nearest",
        coordinate_transformation_mode: str = "half_pixel",
        nearest_mode: str = "round_prefer_floor",
        cubic_coeff_a: float = -0.75,
        exclude_outside: bool = False,
        extrapolation_value: float = 0.0,
        antialias: bool = False,
        axes: tuple[int, ...] = (),
        keep_aspect_ratio_policy: str = "stretch",
        name: str = "",
    ) -> Tensor:
        """x resized by `scales` (floats) or to `sizes` (int64), one for each of `axes` (all where there are none).

        `mode`: nearest, linear or cubic. `coordinate_transformation_mode` maps output to input coordinates as in ONNX; for
        tf_crop_and_resize `roi` holds the starts and then the ends of the crop in units of the axes, and what lies outside
        is `extrapolation_value`. `nearest_mode` simple rounds down when enlarging and up when shrinking."""
        return self.add(
            ResizeOp(
                mode=mode,
                coordinate_transformation_mode=coordinate_transformation_mode,
                nearest_mode=nearest_mode,
                cubic_coeff_a=cubic_coeff_a,
                exclude_outside=exclude_outside,
                extrapolation_value=extrapolation_value,
                antialias=antialias,
                axes=axes,
                keep_aspect_ratio_policy=keep_aspect_ratio_policy,
            ),
            x,
            roi,
            scales,
            sizes,
            name=name,
        )[0]

    def reverse_sequence(
        self, x: Tensor, sequence_lens: Tensor, *, batch_axis: int = 1, time_axis: int = 0, name: str = ""
    ) -> Tensor:
        """For each batch the first sequence_lens[batch] elements along `time_axis` backwards, the others as they are."""
        return self.add(ReverseSequenceOp(batch_axis=batch_axis, time_axis=time_axis), x, sequence_lens, name=name)[0]

    def roi_align(
        self,
        x: Tensor,
        rois: Tensor,
        batch_indices: Tensor,
        *,
        coordinate_transformation_mode: str = "half_pixel",
        mode: str = "avg",
        output_height: int = 1,
        output_width: int = 1,
        sampling_ratio: int = 0,
        spatial_scale: float = 1.0,
        name: str = "",
    ) -> Tensor:
        """Each box of rois [R, 4] (x, y, x, y) of image batch_indices [R] of x [N, C, H, W] sampled to one size.

        That is output_height x output_width bins; in each, `sampling_ratio` points an axis (0: as many as it has pixels)
        are interpolated, and `mode` takes their avg or max. Boxes are multiplied by spatial_scale.
        `coordinate_transformation_mode`: half_pixel or output_half_pixel."""
        return self.add(
            RoiAlignOp(
                coordinate_transformation_mode=coordinate_transformation_mode,
                mode=mode,
                output_height=output_height,
                output_width=output_width,
                sampling_ratio=sampling_ratio,
                spatial_scale=spatial_scale,
            ),
            x,
            rois,
            batch_indices,
            name=name,
        )[0]

    def round(self, x: Tensor, *, name: str = "") -> Tensor:
        """The nearest integer; the even one of two."""
        return self.add(RoundOp(), x, name=name)[0]

    def stft(
        self,
        signal: Tensor,
        frame_step: Tensor,
        window: Tensor | None = None,
        frame_length: Tensor | None = None,
        *,
        onesided: bool = True,
        name: str = "",
    ) -> Tensor:
        """Fourier transforms of frames of a signal [B, length, 1 or 2], frame_step apart: [B, frames, bins, 2].

        Frames have frame_length elements (or the window's number, or else all) and are multiplied by window [frame_length];
        bins are frame_length / 2 + 1 if `onesided`, else frame_length."""
        return self.add(STFTOp(onesided=onesided), signal, frame_step, window, frame_length, name=name)[0]

    def scatter_elements(
        self, data: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0, reduction: str = "none", name: str = ""
    ) -> Tensor:
        """`data` with each update written where its index says: its own place, but along `axis` that of the index.

        `reduction` add, mul, max or min combines the update with what is there; with "none" the last one stays."""
        return self.add(ScatterElementsOp(axis=axis, reduction=reduction), data, indices, updates, name=name)[0]

    def scatter_nd(
        self, data: Tensor, indices: Tensor, updates: Tensor, *, reduction: str = "none", name: str = ""
    ) -> Tensor:
        """`data` with slices of `updates` written to the places that stand in the last axis of `indices`.

        `reduction` add, mul, max or min combines the update with what is there; with "none" the last one stays."""
        return self.add(ScatterNDOp(reduction=reduction), data, indices, updates, name=name)[0]

    def selu(
        self, x: Tensor, *, alpha: float = 1.6732631921768188, gamma: float = 1.0507010221481323, name: str = ""
    ) -> Tensor:
        """gamma * x where x > 0, else gamma * alpha * (exp(x) - 1)."""
        return self.add(SeluOp(alpha=alpha, gamma=gamma), x, name=name)[0]

    def shape(self, data: Tensor, *, start: int = 0, end: int | None = None, name: str = "") -> Tensor:
        """The sizes of `data` as int64, from axis `start` to before axis `end`, both clamped as in a Python slice."""
        return self.add(ShapeOp(start=start, end=end), data, name=name)[0]

    def shrink(self, x: Tensor, *, bias: float = 0.0, lambd: float = 0.5, name: str = "") -> Tensor:
        """x + bias where x < -lambd, x - bias where x > lambd, else 0."""
        return self.add(ShrinkOp(bias=bias, lambd=lambd), x, name=name)[0]

    def sigmoid(self, x: Tensor, *, name: str = "") -> Tensor:
        """1 / (1 + exp(-x))."""
        return self.add(SigmoidOp(), x, name=name)[0]

    def sign(self, x: Tensor, *, name: str = "") -> Tensor:
        """-1, 0 or 1; NaN for NaN."""
        return self.add(SignOp(), x, name=name)[0]

    def sin(self, x: Tensor, *, name: str = "") -> Tensor:
        """The sine; x in radians."""
        return self.add(SinOp(), x, name=name)[0]

    def sinh(self, x: Tensor, *, name: str = "") -> Tensor:
        """The hyperbolic sine."""
        return self.add(SinhOp(), x, name=name)[0]

    def size(self, data: Tensor, *, name: str = "") -> Tensor:
        """The number of elements of `data`: an int64 scalar."""
        return self.add(SizeOp(), data, name=name)[0]

    def slice(
        self,
        data: Tensor,
        starts: Tensor,
        ends: Tensor,
        axes: Tensor | None = None,
        steps: Tensor | None = None,
        *,
        name: str = "",
    ) -> Tensor:
        """`data` from `starts` to before `ends` along `axes` (all if left out), every `steps`-th.

        Negative starts and ends count from the end of the axis; both are clamped to it; negative steps go backwards. As
        Python slices, but that a backward one from before the first element begins at the first, as ONNX has it."""
        return self.add(SliceOp(), data, starts, ends, axes, steps, name=name)[0]

    def softmax(self, x: Tensor, *, axis: int = -1, name: str = "") -> Tensor:
        """exp(x) / sum(exp(x)) along `axis`."""
        return self.add(SoftmaxOp(axis=axis), x, name=name)[0]

    def softplus(self, x: Tensor, *, name: str = "") -> Tensor:
        """log(1 + exp(x))."""
        return self.add(SoftplusOp(), x, name=name)[0]

    def softsign(self, x: Tensor, *, name: str = "") -> Tensor:
        """x / (1 + |x|)."""
        return self.add(SoftsignOp(), x, name=name)[0]

    def space_to_depth(self, x: Tensor, *, blocksize: int, mode: str = "DCR", name: str = "") -> Tensor:
        """Squares of `blocksize` of x [N, C, H, W] set out as channels: [N, C b², H / b, W / b].

        `mode` "DCR": the place in the square is the slower part of the channel; "CRD": the faster."""
        return self.add(SpaceToDepthOp(blocksize=blocksize, mode=mode), x, name=name)[0]

    def split(
        self, x: Tensor, split: Tensor | None = None, *, axis: int = 0, num_outputs: int = 0, name: str = ""
    ) -> tuple[Tensor, ...]:
        """`x` cut along `axis` into parts of the sizes `split`, or into `num_outputs` equal ones, the last may be smaller.

        With `split` the number of outputs is its length, or `num_outputs` where that is not known."""
        return self.add(SplitOp(axis=axis, num_outputs=num_outputs), x, split, name=name)

    def sqrt(self, x: Tensor, *, name: str = "") -> Tensor:
        """The square root; NaN below 0."""
        return self.add(SqrtOp(), x, name=name)[0]

    def squeeze(self, data: Tensor, axes: Tensor | None = None, *, name: str = "") -> Tensor:
        """`data` without the given axes, which must have size 1; without `axes` all axes of size 1 go.

        Where `axes` is left out, an axis whose size is symbolic stays, and must then not be 1 at run time."""
        return self.add(SqueezeOp(), data, axes, name=name)[0]

    def string_concat(self, x: Tensor, y: Tensor, *, name: str = "") -> Tensor:
        """Each text of `x` followed by that of `y`, broadcast together."""
        return self.add(StringConcatOp(), x, y, name=name)[0]

    def string_normalizer(
        self,
        x: Tensor,
        *,
        case_change_action: str = "NONE",
        is_case_sensitive: bool = False,
        locale: str = "",
        stopwords: tuple[str, ...] = (),
        name: str = "",
    ) -> Tensor:
        """`x`, a list of texts, in the case `case_change_action` (LOWER, UPPER, NONE), without `stopwords`.

        Where nothing is left, one empty text is."""
        return self.add(
            StringNormalizerOp(
                case_change_action=case_change_action,
                is_case_sensitive=is_case_sensitive,
                locale=locale,
                stopwords=stopwords,
            ),
            x,
            name=name,
        )[0]

    def string_split(
        self, x: Tensor, *, delimiter: str = "", maxsplit: int = -1, name: str = ""
    ) -> tuple[Tensor, Tensor]:
        """The parts of each text of `x` between delimiters, along a new last axis, and their numbers.

        Where a text has fewer parts than another, empty texts follow.
        An empty `delimiter` splits at runs of white space; at most `maxsplit` splits are made (-1: all)."""
        return cast(
            "tuple[Tensor, Tensor]", self.add(StringSplitOp(delimiter=delimiter, maxsplit=maxsplit), x, name=name)
        )

    def sub(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """a - b, broadcast; integers wrap."""
        return self.add(SubOp(), a, b, name=name)[0]

    def sum(self, *xs: Tensor | None, name: str = "") -> Tensor:
        """The sum of all inputs, broadcast, added from left to right."""
        return self.add(SumOp(), *xs, name=name)[0]

    def swish(self, x: Tensor, *, alpha: float = 1.0, name: str = "") -> Tensor:
        """x * sigmoid(alpha * x)."""
        return self.add(SwishOp(alpha=alpha), x, name=name)[0]

    def tan(self, x: Tensor, *, name: str = "") -> Tensor:
        """The tangent; x in radians."""
        return self.add(TanOp(), x, name=name)[0]

    def tanh(self, x: Tensor, *, name: str = "") -> Tensor:
        """The hyperbolic tangent."""
        return self.add(TanhOp(), x, name=name)[0]

    def tensor_scatter(
        self,
        past_cache: Tensor,
        update: Tensor,
        write_indices: Tensor | None = None,
        *,
        axis: int = -2,
        mode: str = "linear",
        name: str = "",
    ) -> Tensor:
        """`past_cache` with `update` written along `axis` from place write_indices[b] on, for each b of the first axis.

        Places start at 0 where `write_indices` is left out; `mode` "circular" goes on at the beginning after the end."""
        return self.add(TensorScatterOp(axis=axis, mode=mode), past_cache, update, write_indices, name=name)[0]

    def tf_idf_vectorizer(
        self,
        x: Tensor,
        *,
        max_gram_length: int,
        min_gram_length: int,
        max_skip_count: int,
        mode: str,
        ngram_counts: tuple[int, ...],
        ngram_indexes: tuple[int, ...],
        pool_int64s: tuple[int, ...] = (),
        pool_strings: tuple[str, ...] = (),
        weights: tuple[float, ...] = (),
        name: str = "",
    ) -> Tensor:
        """For each n-gram of a pool how often it occurs in each row of `x` [C] or [N, C], in place ngram_indexes[id].

        The pool holds all 1-grams one after another, from ngram_counts[1] on all 2-grams, and so on; those of
        `min_gram_length` to `max_gram_length` elements are counted, with up to `max_skip_count` elements left out between
        neighbours. `mode` "TF" counts, "IDF" gives the weight of those that occur, "TFIDF" the count times the weight."""
        return self.add(
            TfIdfVectorizerOp(
                max_gram_length=max_gram_length,
                min_gram_length=min_gram_length,
                max_skip_count=max_skip_count,
                mode=mode,
                ngram_counts=ngram_counts,
                ngram_indexes=ngram_indexes,
                pool_int64s=pool_int64s,
                pool_strings=pool_strings,
                weights=weights,
            ),
            x,
            name=name,
        )[0]

    def thresholded_relu(self, x: Tensor, *, alpha: float = 1.0, name: str = "") -> Tensor:
        """x where x > alpha, else 0."""
        return self.add(ThresholdedReluOp(alpha=alpha), x, name=name)[0]

    def tile(self, x: Tensor, repeats: Tensor, *, name: str = "") -> Tensor:
        """`x` set side by side `repeats[i]` times along each axis i."""
        return self.add(TileOp(), x, repeats, name=name)[0]

    def topk(
        self, x: Tensor, k: Tensor, *, axis: int = -1, largest: bool = True, sorted: bool = True, name: str = ""
    ) -> tuple[Tensor, Tensor]:
        """The `k` largest elements of `x` along `axis`, or the smallest, and their places (int64); equal ones by place.

        They come in order; `sorted` false leaves the order open."""
        return cast(
            "tuple[Tensor, Tensor]", self.add(TopKOp(axis=axis, largest=largest, sorted=sorted), x, k, name=name)
        )

    def transpose(self, data: Tensor, *, perm: tuple[int, ...] | None = None, name: str = "") -> Tensor:
        """`data` with its axes in the order `perm`: output axis i is input axis perm[i]; reversed if `perm` is left out."""
        return self.add(TransposeOp(perm=perm), data, name=name)[0]

    def tree_ensemble(
        self,
        x: Tensor,
        nodes: Tensor,
        splits: Tensor,
        roots: Tensor,
        leaves: Tensor,
        weights: Tensor,
        members: Tensor | None = None,
        *,
        n_targets: int,
        aggregate: str = "SUM",
        name: str = "",
    ) -> Tensor:
        """What trees say of each row of `x` [N, F], as `n_targets` numbers: [N, n_targets].

        `nodes` [K, 7]: for each node the column of x, the mode (a place in MODES), the next node if it is true and if it is
        false (~k for leaf k), whether what is no number is true, and the range of its `members` [M]. `splits` [K]: what x
        is compared with. `roots` [T] begin the trees. `leaves` [E, 2], sorted: leaf and target of each `weights` [E].
        `aggregate`: how the weights of all trees become one number; a target that no leaf speaks of is 0."""
        return self.add(
            TreeEnsembleOp(n_targets=n_targets, aggregate=aggregate),
            x,
            nodes,
            splits,
            roots,
            leaves,
            weights,
            members,
            name=name,
        )[0]

    def trilu(self, x: Tensor, k: Tensor | None = None, *, upper: bool = True, name: str = "") -> Tensor:
        """The upper or lower triangle of each matrix of `x`, from diagonal `k` (0; above it if positive); else zeros."""
        return self.add(TriluOp(upper=upper), x, k, name=name)[0]

    def unique(
        self, x: Tensor, *, axis: int | None = None, sorted: bool = True, name: str = ""
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The different elements of `x`, or its different slices along `axis`, ascending or (not `sorted`) by first place.

        Further outputs, all int64: the first place of each, the number of each element's equal, how often each occurs."""
        return cast("tuple[Tensor, Tensor, Tensor, Tensor]", self.add(UniqueOp(axis=axis, sorted=sorted), x, name=name))

    def unsqueeze(self, data: Tensor, axes: Tensor, *, name: str = "") -> Tensor:
        """`data` with new axes of size 1, at these places in the output."""
        return self.add(UnsqueezeOp(), data, axes, name=name)[0]

    def where(self, condition: Tensor, x: Tensor, y: Tensor, *, name: str = "") -> Tensor:
        """x where the condition is true, else y, all broadcast."""
        return self.add(WhereOp(), condition, x, y, name=name)[0]

    def xor(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether just one is true, broadcast."""
        return self.add(XorOp(), a, b, name=name)[0]
