"""`enginewright plan sign`: put your signature into a file."""

from __future__ import annotations

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Examples:
  openssl genpkey -algorithm ed25519 -out key.pem
  enginewright plan sign det.plan --key key.pem
"""


@click.command("sign", epilog=EPILOG, short_help="Sign a file.")
@click.argument("file", type=click.Path())
@click.option("--key", required=True, metavar="FILE", help="PEM file of an Ed25519 private key.")
@click.option("--password-file", metavar="FILE", help="File whose first line opens an encrypted key.")
@json_option
@common
def command(file: str, key: str, password_file: str | None) -> None:
    """Sign a plan or cache, after checking every byte of it; an earlier signature is replaced."""
    from pathlib import Path

    import enginewright as ew
    from enginewright.cli._output import print_json, print_text

    start_logging(current())
    try:
        password = Path(password_file).read_bytes().partition(b"\n")[0] if password_file else None
    except OSError as error:
        raise click.BadParameter(f"--password-file: {error}") from error
    key_id = ew.sign(file, key, password=password)
    if current().json:
        print_json("plan sign", {"path": file, "key_id": key_id})
    else:
        print_text(f"{file}: signed by key {key_id[:16]}")
