"""Names of operators: namespace, name and version, written ``acme::Swish@1``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from enginewright.errors import PluginInvalid

MAX_BYTES = 255
_KEY = re.compile(r"([a-z0-9_]+(?:\.[a-z0-9_]+)*)::([A-Za-z_][A-Za-z0-9_]*)(?:@([1-9][0-9]{0,17}))?")


@dataclass(frozen=True, order=True, slots=True)
class Key:
    """Name of an operator: namespace, name and version, written ``ew::Softmax@1``."""

    namespace: str
    name: str
    version: int = 1

    @staticmethod
    def parse(text: str, version: int | None = None) -> Key:
        """Read ``acme::Swish`` or ``acme::Swish@2``; `PluginInvalid` where the text is no key."""
        found = _KEY.fullmatch(text)
        if found is None or len(text) > MAX_BYTES:
            raise PluginInvalid(
                f"{text!r} is no operator key",
                hint="Write it as namespace::Name, lower-case words joined by . and a name, for instance acme::Swish.",
            )
        number: Any = int(found[3]) if found[3] else 1 if version is None else version
        if type(number) is not int or not 1 <= number < 10**18:
            raise PluginInvalid(f"version {number!r} of {text} is no positive integer", hint="Use 1, 2, 3, ...")
        if found[3] and version is not None and version != number:
            raise PluginInvalid(f"{text} names another version than {version}", hint="Give the version once.")
        return Key(found[1], found[2], number)

    @property
    def base(self) -> str:
        """The key without its version."""
        return f"{self.namespace}::{self.name}"

    def __str__(self) -> str:
        return f"{self.namespace}::{self.name}@{self.version}"


def is_reserved(namespace: str) -> bool:
    """Whether only this project may use the namespace: ONNX's standard domains, and its own."""
    return namespace == "ew" or namespace.startswith(("ai.onnx", "ew."))
