"""Decides whom an artifact comes from: reads public keys, and checks a signature against those that you trust.

A digest finds accidents; only a signature finds intent. The table of the plan format, section 8: code needs a signature
by a given key, or `trust="any"`; a list of keys refuses whatever none of them signed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from enginewright_compat.layout import SIGNED_TEXT, Header
from enginewright_compat.reason import Reason
from enginewright_compat.rules import CODE

if TYPE_CHECKING:
    from enginewright.errors import ConfigError

Trust: TypeAlias = str | Sequence[bytes] | None
"""None: no code is loaded; public keys of 32 bytes: only what one of them signed; "any": as trusted as a program."""

KEY_SIZE = 32
_PUBLIC = bytes.fromhex("302a300506032b6570032100")  # what precedes the 32 bytes of an Ed25519 key (RFC 8410)
_BLOCK = re.compile(r"-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----")


def read_public_keys(path: str | os.PathLike[str]) -> tuple[bytes, ...]:
    """Return the Ed25519 public keys of a PEM file, 32 bytes each; raise ConfigError if it holds none or others.

    `openssl pkey -in key.pem -pubout` writes such a file; several may be joined to one.
    """
    try:
        text = Path(path).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise _error(f"keys: {path} cannot be read: {error}", hint="give a PEM file of public keys") from error
    keys = tuple(_public_key(block) for block in _BLOCK.findall(text))
    if not keys or any(len(key) != KEY_SIZE for key in keys):
        raise _error(
            f"keys: {path} does not hold Ed25519 public keys alone",
            hint="write one with: openssl pkey -in key.pem -pubout -out keys.pem",
        )
    return keys


def _public_key(block: str) -> bytes:
    """Return the key in a PEM block, nothing if it is of another kind."""
    import base64
    import binascii

    try:
        data = base64.b64decode("".join(block.split()), validate=True)
    except binascii.Error:
        return b""
    return data.removeprefix(_PUBLIC) if data.startswith(_PUBLIC) else b""


def check_trust_option(trust: Trust) -> None:
    """Raise ConfigError unless `trust` is None, "any", or a sequence of public keys."""
    if trust is None or trust == "any":
        return
    keys: Sequence[object] = trust
    if isinstance(trust, str | bytes) or any(not isinstance(key, bytes) or len(key) != KEY_SIZE for key in keys):
        raise _error(
            f"trust={trust!r} is neither None nor public keys nor 'any'",
            hint="use ew.read_public_keys(FILE), None, or 'any'",
        )


def judge_trust(header: Header, *, has_code: bool, trust: Trust) -> Reason | None:
    """Check 8: return why an artifact is not trusted, None if it is. `header` has passed its own checks."""
    if trust == "any" or (trust is None and not has_code):
        return None
    signer = f"signed by {key_name(header.key_id)}" if header.is_signed else "unsigned"
    found = f"{'code' if has_code else 'no code'}, {signer}"
    if trust is None or isinstance(trust, str):
        return replace(CODE, found=found)
    key = next((key for key in trust if hashlib.sha256(key).digest() == header.key_id), None)
    if not header.is_signed or key is None:
        return Reason("EW-P007", "trust", found, "a signature by a given key", "sign it, or give its signer's key")
    if not is_signed_by(header, key):
        return Reason(
            "EW-P007", "signature", "a forged or damaged one", "one by the key that it names", "do not use it"
        )
    return None


def key_name(key_id: bytes) -> str:
    """Return the first 16 hex digits of a key id, as commands show it."""
    return key_id.hex()[:16]


def is_signed_by(header: Header, key: bytes) -> bool:
    """Whether the signature over the root digest was made with the private half of a public key."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise missing_cryptography() from error
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(header.signature, SIGNED_TEXT + header.root)
    except InvalidSignature:
        return False
    return True


def missing_cryptography() -> ConfigError:
    """Return the error for signatures without the library that makes them."""
    return _error(
        "signatures need the package cryptography, which is not installed",
        hint="pip install 'enginewright[sign]'",
    )


def _error(message: str, *, hint: str) -> ConfigError:
    """Return the exception; its module takes a tenth of the start-up budget, so it is loaded when needed."""
    from enginewright.errors import ConfigError

    return ConfigError(message, hint=hint)
