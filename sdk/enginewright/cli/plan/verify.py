"""`enginewright plan verify`: is every byte of a file intact, and who signed it?"""

from __future__ import annotations

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._options import given_trust, trust_options
from enginewright.cli._plan_text import facts, signer, verdict_lines
from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Examples:
  enginewright plan verify det.plan
  enginewright plan verify det.plan --keys release.pem
"""


@click.command("verify", epilog=EPILOG, short_help="Check every byte and the signature.")
@click.argument("file", type=click.Path())
@trust_options
@json_option
@common
@click.pass_context
def command(ctx: click.Context, /, *, file: str, keys: str | None, trust: str | None) -> None:
    """Check all digests of a file, its signature with --keys, and its programs if this release can load it.

    This is about bytes; `enginewright verify` is about numbers. Exit code 6: damaged; 4: not trusted, or it cannot
    load here.
    """
    import enginewright as ew
    from enginewright.cli._output import print_json, print_text

    start_logging(current())
    info = ew.verify_file(file, trust=given_trust(keys, trust))
    if current().json:
        print_json("plan verify", facts(info) | {"intact": True})
    else:
        trusted = keys is not None and not any(reason.code == "EW-P007" for reason in info.reasons)
        print_text(f"{file}: every byte is intact ({info.file_size:,} bytes)")
        print_text(f"  root       {info.root}")
        print_text(f"  signature  {f'good, by key {info.key_id[:16]}' if trusted else signer(info)}")
        print_text("\n".join(verdict_lines(info)))
    ctx.exit(info.exit_code())
