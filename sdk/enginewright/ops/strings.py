"""Text in tensors: StringConcat, StringSplit, StringNormalizer, RegexFullMatch; these run in Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from enginewright.dims import Dim, dim_max
from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.element_types import check_type
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, bool_, broadcast_shapes, int64, string

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


def _texts(*items: str) -> Array:
    return np.array(items, object)


def _filled(items: list[Any], shape: tuple[int, ...], dtype: Any) -> Array:
    array = np.empty(len(items), dtype)
    array[:] = items
    return array.reshape(shape)


@operator("ew::TextConstant")
class TextConstant:
    """The array of texts `value`: how a plan holds them, since its weights are numbers."""

    INTERNAL: ClassVar = True

    value: Array

    def infer(self) -> TensorSpec:
        """Texts of that shape."""
        return TensorSpec(string, self.value.shape)

    def reference(self) -> Array:
        """The array itself."""
        return self.value

    @staticmethod
    def examples() -> Iterator[tuple[TextConstant, list[Array]]]:
        """A list, a table, a single text, none at all."""
        for value in (_texts("a", "bb"), _texts("a", "b").reshape(2, 1), np.array("a", object), np.empty(0, object)):
            yield TextConstant(value), []


@operator("ew::StringConcat")
class StringConcat:
    """Each text of `x` followed by that of `y`, broadcast together."""

    def infer(self, x: TensorSpec, y: TensorSpec) -> TensorSpec:
        """The shapes broadcast together."""
        for spec in (x, y):
            check_type(spec, (string,), "the input")
        return TensorSpec(string, broadcast_shapes(x.shape, y.shape))

    def reference(self, x: Array, y: Array) -> Array:
        """Python's +."""
        left, right = np.broadcast_arrays(x, y)
        pairs = zip(left.reshape(-1), right.reshape(-1), strict=True)
        return _filled([str(a) + str(b) for a, b in pairs], left.shape, object)

    @staticmethod
    def examples() -> Iterator[tuple[StringConcat, list[Array]]]:
        """Alike, broadcast, empty texts."""
        yield StringConcat(), [_texts("a", "b"), _texts("x", "")]
        yield StringConcat(), [_texts("a", "b").reshape(2, 1), _texts("1", "2", "3")]


@operator("ew::RegexFullMatch")
class RegexFullMatch:
    """Whether each whole text of `x` matches the regular expression `pattern`."""

    pattern: str

    def infer(self, x: TensorSpec) -> TensorSpec:
        """A bool for each text."""
        check_type(x, (string,), "the input")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise NetworkError(f"pattern {self.pattern!r}: {error}", hint="Correct the pattern.") from error
        return TensorSpec(bool_, x.shape)

    def reference(self, x: Array) -> Array:
        """Python's re.fullmatch."""
        return _filled([re.fullmatch(self.pattern, str(text)) is not None for text in x.reshape(-1)], x.shape, bool)

    @staticmethod
    def examples() -> Iterator[tuple[RegexFullMatch, list[Array]]]:
        """Some match."""
        yield RegexFullMatch(r"www\.[\w.-]+\.\bcom\b"), [_texts("www.google.com", "www.facebook.com", "www.bbc.co.uk")]
        yield RegexFullMatch("a*"), [_texts("", "aa", "ab", "b").reshape(2, 2)]


@operator("ew::StringSplit")
class StringSplit:
    """The parts of each text of `x` between delimiters, along a new last axis, and their numbers.

    Where a text has fewer parts than another, empty texts follow.
    An empty `delimiter` splits at runs of white space; at most `maxsplit` splits are made (-1: all).
    """

    delimiter: str = ""
    maxsplit: int = -1

    def infer(self, x: TensorSpec) -> tuple[TensorSpec, TensorSpec]:
        """How many parts the longest text has shows at run time."""
        check_type(x, (string,), "the input")
        return TensorSpec(string, (*x.shape, Dim.data())), TensorSpec(int64, x.shape)

    def reference(self, x: Array) -> tuple[Array, Array]:
        """Python's split."""
        parts = [str(text).split(self.delimiter or None, self.maxsplit) for text in x.reshape(-1)]
        width = max(map(len, parts), default=0)
        filled = [part for found in parts for part in found + [""] * (width - len(found))]
        counts = np.array([len(found) for found in parts], np.int64).reshape(x.shape)
        return _filled(filled, (*x.shape, width), object), counts

    @staticmethod
    def examples() -> Iterator[tuple[StringSplit, list[Array]]]:
        """White space, a delimiter, a limit."""
        yield StringSplit(), [_texts("hello  world", " a b c ")]
        yield StringSplit(".", 1), [_texts("a.b.c", "d", ".e").reshape(1, 3)]


@operator("ew::StringNormalizer")
class StringNormalizer:
    """`x`, a list of texts, in the case `case_change_action` (LOWER, UPPER, NONE), without `stopwords`.

    Where nothing is left, one empty text is.
    """

    case_change_action: str = "NONE"
    is_case_sensitive: bool = False
    locale: str = ""
    stopwords: tuple[str, ...] = ()

    def infer(self, x: TensorSpec) -> TensorSpec:
        """At most as many texts as x has, at least one; x is [C] or [1, C]."""
        check_type(x, (string,), "the input")
        if x.rank not in (1, 2) or self.case_change_action not in ("LOWER", "UPPER", "NONE"):
            raise ShapeError(f"{x.rank} axes, {self.case_change_action!r}", hint="Give [C] or [1, C]; LOWER or UPPER.")
        return TensorSpec(string, (*x.shape[:-1], Dim.data(dim_max(x.shape[-1], 1))))

    def reference(self, x: Array) -> Array:
        """Stop words go first, compared in lower case unless `is_case_sensitive`, then the case changes."""
        fold = str if self.is_case_sensitive else str.lower
        stops = {fold(word) for word in self.stopwords}
        change = {"LOWER": str.lower, "UPPER": str.upper}.get(self.case_change_action, str)
        kept = [change(str(text)) for text in x.reshape(-1) if fold(str(text)) not in stops]
        return _filled(kept or [""], (*x.shape[:-1], len(kept or [""])), object)

    @staticmethod
    def examples() -> Iterator[tuple[StringNormalizer, list[Array]]]:
        """Each case; stop words in either case; nothing left."""
        days = _texts("Monday", "tuesday", "MONDAY")
        yield StringNormalizer("LOWER"), [days]
        yield StringNormalizer("UPPER", True, stopwords=("Monday",)), [days]
        yield StringNormalizer(stopwords=("monday",)), [days.reshape(1, 3)]
        yield StringNormalizer(stopwords=("monday",)), [days[:1]]


@onnx_rule("ai.onnx::StringConcat", since=20)
def string_concat(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.string_concat(node.input(0), node.input(1))


@onnx_rule("ai.onnx::RegexFullMatch", since=20)
def regex_full_match(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.regex_full_match(node.input(0), pattern=node.text("pattern"))


@onnx_rule("ai.onnx::StringSplit", since=20)
def string_split(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """All versions alike."""
    delimiter, most = node.text("delimiter", ""), node.integer("maxsplit", -1)
    return net.string_split(node.input(0), delimiter=delimiter, maxsplit=most)[: len(node.outputs)]


@onnx_rule("ai.onnx::StringNormalizer", since=10)
def string_normalizer(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.string_normalizer(
        node.input(0),
        case_change_action=node.text("case_change_action", "NONE"),
        is_case_sensitive=bool(node.integer("is_case_sensitive", 0)),
        locale=node.text("locale", ""),
        stopwords=node.texts("stopwords", ()),
    )
