"""``callseal delete``: plan an erasure by telephone number, have it confirmed, carry it out, certify it."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import certificate as cli_certificate
from pipeline.cli.common import AsJson, ConfigFile, DataDir, caller_number, print_result, settings_of, stages
from pipeline.cli.text import erasure_lines
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.erasure.plan import ErasurePlan

Caller = Annotated[str, typer.Option("--caller", help="The number of either party, in any common spelling.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be erased; erase nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
CertificateFile = Annotated[
    Path | None,
    typer.Option("--certificate", help="Write a signed certificate, its page and its disclosure.", metavar="FILE"),
]
LegOnly = Annotated[
    bool, typer.Option("--leg-only", help="Where a call has two channels, silence theirs and keep the rest.")
]
Identity = Annotated[str | None, typer.Option("--identity", help="How it was verified who asks; see rights.toml.")]


def delete_command(
    *,
    caller: Caller,
    dry_run: DryRun = False,
    yes: Yes = False,
    certificate: CertificateFile = None,
    identity: Identity = None,
    leg_only: LegOnly = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Erase everything held of a caller: shred the key, delete objects and rows, check that nothing opens."""
    settings = settings_of(data_dir, config)
    from pipeline.backups.backup import residual_value
    from pipeline.build import custody
    from pipeline.erasure.erase import carry_out
    from pipeline.erasure.plan import plan_erasure
    from pipeline.roles import Act, Role

    number = caller_number(caller)
    _check_identity(identity, settings)
    if certificate:
        cli_certificate.reserve(certificate)
    held = custody(settings, Role.PRIVACY_OFFICER)
    plan = plan_erasure(held.records, held.root.subject_id(number), leg_only=leg_only)
    plan = replace(plan, identity=identity or plan.identity)
    if dry_run:
        print_result({"dry_run": True, **_plan(plan)}, erasure_lines, as_json=as_json)
        return
    if not yes:
        _confirm(plan)
    ids = {"erasure_id": plan.erasure_id, "subject_id": plan.subject_id}
    with held.access.acting(Act.ERASE, **ids), stages(quiet=as_json) as observe:
        report = carry_out(plan, held, lambda: datetime.now(UTC), observe=observe)
    done = {
        "erased": True,
        **_plan(report.plan),
        "method": report.method,
        "verified": {**asdict(report.proof), "copies_opened_after": 0, "keys_opened_after": 0},
        "residual_copies": [residual_value(each) for each in report.residual],
    }
    if certificate:
        done["certificate"] = cli_certificate.write(report, number, certificate, settings)
    print_result(done, erasure_lines, as_json=as_json)


def _check_identity(identity: str | None, settings: Settings) -> None:
    if identity is None:
        return
    from pipeline.rights.policy import load_policy

    ways = load_policy(settings.policy_file("rights.toml")).identity
    if identity not in ways:
        raise UsageError(f"--identity is one of {', '.join(ways)}")


def _confirm(plan: ErasurePlan) -> None:
    if plan.as_company:
        raise UsageError(
            f"the number is the company's side of {plan.as_company} calls, which are other people's too: "
            "look first with --dry-run, then add --yes"
        )
    if not sys.stdin.isatty():
        raise UsageError("erasing needs a confirmation: add --yes, or --dry-run to look first")
    for line in erasure_lines(_plan(plan)):
        print(line, file=sys.stderr)  # noqa: T201
    typer.confirm("Erase all of this for good?", abort=True, err=True)


def _plan(plan: ErasurePlan) -> dict[str, Any]:
    return {
        "erasure_id": plan.erasure_id,
        "subject_id": plan.subject_id,
        "calls": list(plan.call_ids),
        "legs": list(plan.leg_call_ids),
        "as_customer": plan.as_customer,
        "as_company": plan.as_company,
        "kept": [{"call_id": each.call_id, "reason": each.reason} for each in plan.kept],
        "objects": len(plan.object_keys),
        "kinds": plan.kinds,
        "size_bytes": plan.size_bytes,
        "resumed": plan.resumed,
    }
