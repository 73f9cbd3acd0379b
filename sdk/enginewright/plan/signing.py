"""Signs an artifact with an Ed25519 key, so that whoever has the public half can tell who made it."""

from __future__ import annotations

import hashlib
import os
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from enginewright.errors import ConfigError
from enginewright.plan.artifact import check_file
from enginewright.plan.writing import replace_file
from enginewright.trust import missing_cryptography
from enginewright_compat.layout import (
    ED25519,
    ENTRY_SIZE,
    HEADER_SIZE,
    PREFIX_SIZE,
    SIGNED_TEXT,
    Header,
    root_digest,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def sign(path: str | os.PathLike[str], key: str | os.PathLike[str], *, password: bytes | None = None) -> str:
    """Sign a plan or cache with the private key in a PEM file; return the id of the key as hex.

    Every byte of the file is checked first, then it is replaced at once. An earlier signature is replaced. Raises a
    PlanError for a file that is damaged, PlanWriteError if it cannot be replaced, ConfigError for another kind of key.
    """
    private = _read_key(Path(key), password)
    _, container, view = check_file(path)
    key_id = hashlib.sha256(private.public_key().public_bytes_raw()).digest()
    prefix = bytes(view[:PREFIX_SIZE])
    table = bytes(view[HEADER_SIZE : HEADER_SIZE + ENTRY_SIZE * container.prefix.n_sections])
    head = prefix + _sign_header(container.header, prefix, table, private, key_id).pack()
    replace_file(Path(path), head, [view[HEADER_SIZE:]], container.kind.label)
    return key_id.hex()


def _sign_header(header: Header, prefix: bytes, table: bytes, private: Ed25519PrivateKey, key_id: bytes) -> Header:
    """Return a header whose root digest covers key id and algorithm, with the signature over it."""
    named = replace(header, key_id=key_id, signature_alg=ED25519)
    root = root_digest(prefix, named, table)
    signature = private.sign(SIGNED_TEXT + root)
    return replace(named, root=root, signature=signature, signature_crc=zlib.crc32(signature + key_id))


def _read_key(path: Path, password: bytes | None) -> Ed25519PrivateKey:
    """Return the private key of a PEM file; raise ConfigError for anything else."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise missing_cryptography() from error
    hint = "make one with: openssl genpkey -algorithm ed25519 -out key.pem"
    try:
        key = load_pem_private_key(path.read_bytes(), password)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"key: {path} cannot be read: {error}", hint=hint, where=str(path)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"key: {path} holds no Ed25519 private key", hint=hint, where=str(path))
    return key
