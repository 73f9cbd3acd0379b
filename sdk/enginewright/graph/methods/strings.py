"""Text in tensors: StringConcat, StringSplit, StringNormalizer, RegexFullMatch; these run in Python.

Methods of `Network`, written by ``make methods`` from ops/strings.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import strings as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Strings(_Adder):
    """One method an operator of ops/strings.py."""

    def regex_full_match(self, x: Tensor, *, pattern: str, name: str = "") -> Tensor:
        """Whether each whole text of `x` matches the regular expression `pattern`."""
        return self.add(ops.RegexFullMatch(pattern=pattern), x, name=name)[0]

    def string_concat(self, x: Tensor, y: Tensor, *, name: str = "") -> Tensor:
        """Each text of `x` followed by that of `y`, broadcast together."""
        return self.add(ops.StringConcat(), x, y, name=name)[0]

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

        Where nothing is left, one empty text is.
        """
        return self.add(
            ops.StringNormalizer(
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
        An empty `delimiter` splits at runs of white space; at most `maxsplit` splits are made (-1: all).
        """
        return cast(
            "tuple[Tensor, Tensor]", self.add(ops.StringSplit(delimiter=delimiter, maxsplit=maxsplit), x, name=name)
        )
