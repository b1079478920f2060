"""``callseal manifest``: check what was exported of a call against the manifest's signature, anywhere and offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, print_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

app = typer.Typer(help="Manifests of exported calls: verify.")

Exported = Annotated[Path, typer.Argument(metavar="PATH", help="An exported folder, or its manifest.json.")]
PublicKeyFiles = Annotated[
    list[Path], typer.Option("--public-key", help="PEM file of a signer's public key; once for each host that signed.")
]


@app.callback()
def manifest() -> None:
    """Manifests of exported calls: verify."""


@app.command("verify")
def verify_command(
    path: Exported,
    *,
    public_key: PublicKeyFiles,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check signatures, files and clips of consent evidence of an exported call; needs no data folder, no network."""
    del data_dir, config
    from pipeline.keys.signing import PublicKey
    from pipeline.manifest import check_export

    print_result(check_export(path, *map(PublicKey.load, public_key)), _lines, as_json=as_json)


def _lines(checked: Mapping[str, Any]) -> Iterator[str]:
    yield f"the manifest of call {checked['call_id']} is signed by key {checked['key_id']}"
    yield from (f"  {name}: {state}" for name, state in checked["files"].items())
    if checked["clips"]:
        yield f"  {checked['clips']} clips of consent evidence are those that were judged"
