"""A signature says who made an artifact; the trust table decides in every cell what may load."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from enginewright import errors
from enginewright.plan.artifact import Kind, Section, artifact_bytes, open_artifact
from enginewright.plan.signing import sign
from enginewright.trust import Trust, read_public_keys
from enginewright_compat.layout import CHUNK
from enginewright_compat.version import running_version
from tests.compat.artifacts import META, WEIGHTS, example_cache, example_passport, example_plan, take_apart

CODE = artifact_bytes(
    Kind.PLAN, {Section.META: META, Section.WEIGHTS: WEIGHTS, Section.CODE: b"\x7fELF"}, example_passport()
)
PRIVATE = {name: Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()) for name in ("a", "b")}
PUBLIC = {name: key.public_key().public_bytes_raw() for name, key in PRIVATE.items()}


def key_file(folder: Path, name: str = "a", password: bytes | None = None) -> Path:
    """Write a private key as PEM and return its path."""
    path = folder / f"{name}.pem"
    sealed = BestAvailableEncryption(password) if password else NoEncryption()
    path.write_bytes(PRIVATE[name].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
    return path


def signed_file(folder: Path, data: bytes, name: str = "a") -> Path:
    """Write an artifact, sign it, and return its path."""
    path = folder / "tiny.plan"
    path.write_bytes(data)
    sign(path, key_file(folder, name))
    return path


# Rows: code, signer. Columns: trust. As the table of the format's documentation says.
TABLE: list[tuple[bool, str, Trust, bool]] = [
    (False, "", None, True),
    (False, "a", None, True),
    (True, "", None, False),
    (True, "a", None, False),
    (False, "b", None, True),
    (True, "b", None, False),
    (False, "", [PUBLIC["a"]], False),
    (False, "a", [PUBLIC["a"]], True),
    (True, "", [PUBLIC["a"]], False),
    (True, "a", [PUBLIC["a"]], True),
    (False, "b", [PUBLIC["a"]], False),
    (True, "b", [PUBLIC["a"]], False),
    (False, "", "any", True),
    (False, "a", "any", True),
    (True, "", "any", True),
    (True, "a", "any", True),
    (False, "b", "any", True),
    (True, "b", "any", True),
    (True, "b", (PUBLIC["a"], PUBLIC["b"]), True),
    (False, "a", (), False),
]


@pytest.mark.parametrize(("code", "signer", "trust", "loads"), TABLE)
def test_trust_table(tmp_path: Path, code: bool, signer: str, trust: Trust, loads: bool) -> None:
    data = CODE if code else example_plan()
    if signer:
        data = signed_file(tmp_path, data, signer).read_bytes()
    if loads:
        assert open_artifact(data, Kind.PLAN, trust=trust).weights.tobytes() == WEIGHTS
        return
    with pytest.raises(errors.PlanUntrusted) as caught:
        open_artifact(data, Kind.PLAN, trust=trust)
    assert caught.value.hint
    assert caught.value.where == "bytes"


def test_signing_changes_the_header_alone(tmp_path: Path) -> None:
    before = take_apart(example_plan())
    after = take_apart(signed_file(tmp_path, example_plan()).read_bytes())
    assert (after.prefix, after.entries, after.sections) == (before.prefix, before.entries, before.sections)
    changed = {name for name in before.header if before.header[name] != after.header[name]}
    assert changed == {"root", "signature", "key_id", "signature_alg", "signature_crc"}
    assert after.header["key_id"] == hashlib.sha256(PUBLIC["a"]).digest()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".ew-tmp"] == []


def test_signing_again_replaces_the_signature(tmp_path: Path) -> None:
    path = signed_file(tmp_path, example_plan(), "b")
    first = path.read_bytes()
    assert sign(path, key_file(tmp_path, "a")) == hashlib.sha256(PUBLIC["a"]).hexdigest()
    open_artifact(path, Kind.PLAN, trust=[PUBLIC["a"]])
    sign(path, key_file(tmp_path, "b"))
    assert path.read_bytes() == first, "Ed25519 signs the same bytes in the same way"


def test_caches_and_files_of_other_releases_can_be_signed(tmp_path: Path) -> None:
    path = signed_file(tmp_path, example_cache())
    open_artifact(path, Kind.TIMING_CACHE, trust=[PUBLIC["a"]])
    other = str(running_version()._replace(patch=77))
    path.write_bytes(example_plan(enginewright=other))
    sign(path, key_file(tmp_path))
    with pytest.raises(errors.PlanVersionMismatch):
        open_artifact(path, Kind.PLAN, trust=[PUBLIC["a"]])


def test_signature_moved_to_another_plan_is_refused(tmp_path: Path) -> None:
    good = take_apart(signed_file(tmp_path, example_plan()).read_bytes())
    other = take_apart(example_plan(name="other"))
    other.header.update({k: good.header[k] for k in ("signature", "key_id", "signature_alg", "signature_crc")})
    data = other.seal_frame()
    open_artifact(data, Kind.PLAN)
    with pytest.raises(errors.PlanUntrusted, match="forged or damaged"):
        open_artifact(data, Kind.PLAN, trust=[PUBLIC["a"]])


def test_every_flipped_bit_of_a_signed_header_is_refused(tmp_path: Path) -> None:
    """Also where the digests do not cover it: signature, its crc32, key id."""
    data = bytearray(signed_file(tmp_path, example_plan()).read_bytes())
    for bit in range(8 * 64, 8 * 320):
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(errors.PlanError):
            open_artifact(data, Kind.PLAN)
        data[bit // 8] ^= 1 << bit % 8
    open_artifact(data, Kind.PLAN, trust=[PUBLIC["a"]])


@pytest.mark.parametrize("what", ["META", "WEIGHTS", "PASSPORT"])
def test_a_damaged_file_is_not_signed(tmp_path: Path, what: str) -> None:
    path = tmp_path / "tiny.plan"
    data = bytearray(example_plan())
    parts = take_apart(bytes(data))
    data[parts.entries[parts.find(Section[what])]["offset"]] ^= 1
    path.write_bytes(data)
    with pytest.raises(errors.PlanCorrupt, match=what):
        sign(path, key_file(tmp_path))
    assert path.read_bytes() == data


def test_large_file(tmp_path: Path) -> None:
    sections = {Section.META: META, Section.WEIGHTS: bytes(2 * CHUNK + 5)}
    path = signed_file(tmp_path, artifact_bytes(Kind.PLAN, sections, example_passport()))
    assert open_artifact(path, Kind.PLAN, trust=[PUBLIC["a"]]).weights.size == 2 * CHUNK + 5


def test_encrypted_key(tmp_path: Path) -> None:
    path = signed_file(tmp_path, example_plan())
    locked = key_file(tmp_path, "b", b"secret")
    with pytest.raises(errors.ConfigError, match="encrypted"):
        sign(path, locked)
    sign(path, locked, password=b"secret")
    open_artifact(path, Kind.PLAN, trust=[PUBLIC["b"]])


def test_other_keys_are_refused(tmp_path: Path) -> None:
    path = signed_file(tmp_path, example_plan())
    curve = tmp_path / "ec.pem"
    curve.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    for name, text in ((curve, "no Ed25519"), (tmp_path / "missing.pem", "cannot be read"), (path, "cannot be read")):
        with pytest.raises(errors.ConfigError, match=text):
            sign(path, name)


# --- Public keys ------------------------------------------------------------------------------------------------------


def public_pem(name: str) -> bytes:
    return PRIVATE[name].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_public_keys_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.pem"
    path.write_bytes(b"our keys\n" + public_pem("a") + public_pem("b"))
    assert read_public_keys(path) == (PUBLIC["a"], PUBLIC["b"])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_keys_of_openssl(tmp_path: Path) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "keys.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    path = tmp_path / "tiny.plan"
    path.write_bytes(CODE)
    sign(path, private)
    open_artifact(path, Kind.PLAN, trust=read_public_keys(public))


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\xff", b"-----BEGIN PUBLIC KEY-----\nAAA\n-----END PUBLIC KEY-----"]
)
def test_files_without_keys(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.pem"
    path.write_bytes(content)
    with pytest.raises(errors.ConfigError):
        read_public_keys(path)


def test_a_file_with_one_other_key_is_refused_whole(tmp_path: Path) -> None:
    curve = generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path = tmp_path / "keys.pem"
    path.write_bytes(public_pem("a") + curve)
    with pytest.raises(errors.ConfigError, match="Ed25519"):
        read_public_keys(path)


@pytest.mark.parametrize("trust", ["all", b"k" * 32, [b"short"], ["text"], [None]])
def test_trust_that_is_no_trust(trust: Trust) -> None:
    with pytest.raises(errors.ConfigError):
        open_artifact(example_plan(), Kind.PLAN, trust=trust)


def test_without_cryptography(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, key = signed_file(tmp_path, example_plan()), key_file(tmp_path)
    for name in ("cryptography.exceptions", "cryptography.hazmat.primitives.serialization"):
        monkeypatch.setitem(sys.modules, name, None)
    assert open_artifact(path, Kind.PLAN).weights.tobytes() == WEIGHTS
    with pytest.raises(errors.ConfigError, match="cryptography") as caught:
        open_artifact(path, Kind.PLAN, trust=[PUBLIC["a"]])
    assert "enginewright[sign]" in (caught.value.hint or "")
    with pytest.raises(errors.ConfigError, match="cryptography"):
        sign(path, key)
