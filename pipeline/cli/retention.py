"""``callseal retention``: delete what need not be kept any longer, and say of each artifact why it goes or stays."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, moment, print_result, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.retention.expire import Expired
    from pipeline.retention.retain import Expiry

app = typer.Typer(help="Retention: delete what has expired.")


@app.callback()
def _group() -> None:
    """Keeps ``run`` a command of its own, also while it is the only one."""


@app.command("run")
def run_command(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Explain every artifact; delete nothing.")] = False,
    at: Annotated[str | None, typer.Option("--now", help="As if it were then; else now.", metavar="TIME")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Delete what is past its date and held by nobody, and carry out what released holds have set free."""
    settings = settings_of(data_dir, config)
    now = moment(at) if at else datetime.now(UTC)
    from pipeline.build import custody
    from pipeline.retention.expire import expire, survey
    from pipeline.retention.release import carry_out_freed
    from pipeline.retention.retain import load_policy
    from pipeline.roles import Act, Role

    held, policy = custody(settings, Role.PRIVACY_OFFICER), load_policy(settings.policy_file("retention.toml"))
    if dry_run:
        found = survey(held.records, policy, now)
        print_result({"dry_run": True, **_value(found, now)}, _lines, as_json=as_json)
        return
    with held.access.acting(Act.RETENTION) as ids:
        freed = carry_out_freed(held, policy, now)
        done = expire(held.archive, held.records, policy, now)
        ids.update(Counter(each.fate.value for each in done.artifacts), **freed)
    print_result({"dry_run": False, "freed": freed, **_value(done, now)}, _lines, as_json=as_json)


def _value(found: Expired, now: datetime) -> dict[str, Any]:
    from pipeline.summary import stamp

    return {
        "now": stamp(now),
        "counts": dict(Counter(each.fate.value for each in found.artifacts)),
        "artifacts": [_artifact(each) for each in found.artifacts],
        "discarded": list(found.discarded),
        "forgotten": list(found.forgotten),
    }


def _artifact(each: Expiry) -> dict[str, Any]:
    from pipeline.summary import stamp

    artifact = each.held.artifact
    return {
        "fate": each.fate.value,
        "call_id": each.held.call_id,
        "kind": artifact.sealed.kind.value,
        "retain_until": stamp(artifact.retain_until),
        "reason": each.reason,
        **({"hold_ids": list(each.hold_ids)} if each.hold_ids else {}),
    }


def _lines(value: Mapping[str, Any]) -> Iterator[str]:
    for each in value["artifacts"]:
        yield f"{each['fate']:7} {each['call_id']}  {each['kind']:15} {each['reason']}"
    for call_id in value["discarded"]:
        yield f"discard {call_id}  nobody decided about it in time"
    for call_id in value["forgotten"]:
        yield f"forget  {call_id}  nothing is left of it but its row"
    for work, count in value.get("freed", {}).items():
        yield f"freed   {work} of {count}, by the release of a hold"
    counts = ", ".join(f"{count} {fate}" for fate, count in value["counts"].items()) or "nothing"
    yield f"{'would be' if value['dry_run'] else 'done'}: {counts}"
