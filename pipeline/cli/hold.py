"""``callseal hold``: keep calls from deletion for a case, list what is kept, release it and delete what was waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.common import (
    AsJson,
    By,
    ConfigFile,
    DataDir,
    caller_number,
    moment,
    operator,
    print_result,
    settings_of,
)
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.keys import RootKey
    from pipeline.retention.holds import Hold, Scope

REVIEW = timedelta(days=180)

app = typer.Typer(help="Legal holds: add, release, list.")

HoldId = Annotated[str, typer.Argument(metavar="HOLD_ID")]
Case = Annotated[str, typer.Option("--case", help="The matter that it belongs to.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, without personal data.")]
CallId = Annotated[str | None, typer.Option("--call", help="Hold this call.", metavar="CALL_ID")]
Caller = Annotated[str | None, typer.Option("--caller", help="Hold the calls of this number.", metavar="NUMBER")]
From = Annotated[str | None, typer.Option("--from", help="Hold calls that began then or later.", metavar="DATE")]
To = Annotated[str | None, typer.Option("--to", help="And before then.", metavar="DATE")]
Everything = Annotated[bool, typer.Option("--all", help="Hold every call, those to come included.")]
Review = Annotated[str | None, typer.Option("--review", help="Decide again by then; else in 180 days.", metavar="DATE")]


@app.command("add")
def add_command(
    *,
    case: Case,
    reason: Reason,
    by: By = None,
    call: CallId = None,
    caller: Caller = None,
    since: From = None,
    until: To = None,
    everything: Everything = False,
    review: Review = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Keep calls from every deletion until the hold is released; conditions that are stated together narrow it."""
    if everything == any((call, caller, since, until)):
        raise UsageError("say what to hold: --call, --caller, --from, --to, or --all")
    settings = settings_of(data_dir, config)
    from pipeline.build import custody
    from pipeline.retention.holds import HoldKind, Order, add_hold, new_hold
    from pipeline.roles import Act, Role

    held, now = custody(settings, Role.PRIVACY_OFFICER, actor_id=operator(by)), datetime.now(UTC)
    scope = _scope(call, caller, since, until, held.root)
    review_at = moment(review) if review else now + REVIEW
    hold = new_hold(HoldKind.LEGAL, scope, Order(case, operator(by), reason), now=now, review_at=review_at)
    with held.access.acting(Act.HOLD, hold_id=hold.hold_id, change="add"):
        add_hold(held.records.engine, hold)
    print_result(hold_value(hold), lambda value: hold_lines({"holds": [value]}), as_json=as_json)


@app.command("remove")
def remove_command(
    hold_id: HoldId,
    *,
    reason: Reason,
    by: By = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Release a hold, then delete what was waiting for it and is held by no other."""
    settings = settings_of(data_dir, config)
    from pipeline.build import custody
    from pipeline.retention.holds import release_hold
    from pipeline.retention.release import carry_out_freed
    from pipeline.retention.retain import load_policy
    from pipeline.roles import Act, Role

    held, now = custody(settings, Role.PRIVACY_OFFICER, actor_id=operator(by)), datetime.now(UTC)
    policy = load_policy(settings.policy_file("retention.toml"))
    with held.access.acting(Act.HOLD, hold_id=hold_id, change="remove") as found:
        hold = release_hold(held.records.engine, hold_id, by_id=operator(by), reason=reason, now=now)
        done = carry_out_freed(held, policy, now)
        found.update(done)
    print_result(hold_value(hold) | {"carried_out": done}, _removed_lines, as_json=as_json)


@app.command("list")
def list_command(
    *,
    released: Annotated[bool, typer.Option("--released", help="Those that ended, too.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the holds in force, what waits for each, and which are past their review date."""
    settings = settings_of(data_dir, config)
    from pipeline.build import custody
    from pipeline.retention.deferrals import waiting
    from pipeline.retention.holds import holds
    from pipeline.roles import Role

    engine, now = custody(settings, Role.PRIVACY_OFFICER).records.engine, datetime.now(UTC)
    waits = [each.hold_id for each in waiting(engine)]
    values = [
        hold_value(hold)
        | {"waiting": waits.count(hold.hold_id), "overdue": hold.released_at is None and hold.review_at <= now}
        for hold in holds(engine, released=released)
    ]
    print_result({"holds": values}, hold_lines, as_json=as_json)


def hold_value(hold: Hold) -> dict[str, Any]:
    """A hold as ``--json`` prints it; the caller stays a keyed hash."""
    from pipeline.summary import stamp

    scope = hold.scope
    conditions = {
        "call_id": scope.call_id,
        "subject_id": scope.subject_id,
        "from": scope.from_at and stamp(scope.from_at),
        "to": scope.to_at and stamp(scope.to_at),
    }
    ended = {"released_at": hold.released_at and stamp(hold.released_at), "released_by": hold.released_by_id}
    return {
        "hold_id": hold.hold_id,
        "kind": hold.kind.value,
        "case": hold.case_id,
        "scope": {name: value for name, value in conditions.items() if value} or "all",
        "by": hold.author_id,
        "reason": hold.reason,
        "created_at": stamp(hold.created_at),
        "review_at": stamp(hold.review_at),
        **(ended | {"release_reason": hold.release_reason} if hold.released_at else {}),
    }


def hold_lines(value: Mapping[str, Any]) -> Iterator[str]:
    """Holds, for a person."""
    for each in value["holds"]:
        scope = each["scope"]
        what = scope if isinstance(scope, str) else ", ".join(f"{name} {is_}" for name, is_ in scope.items())
        late = "  REVIEW IS OVERDUE" if each.get("overdue") else ""
        yield f"{each['hold_id']}  {each['kind']}  case {each['case']}, by {each['by']}: {each['reason']}"
        yield f"  holds     {what}"
        yield f"  review    by {each['review_at'][:10]}{late}"
        if each.get("waiting"):
            yield f"  waiting   {each['waiting']} deletions"
        if "released_at" in each:
            yield f"  released  {each['released_at'][:10]} by {each['released_by']}: {each['release_reason']}"


def _removed_lines(value: Mapping[str, Any]) -> Iterator[str]:
    yield from hold_lines({"holds": [value]})
    for work, count in value["carried_out"].items():
        yield f"  then      {work} of {count}"


def _scope(call: str | None, caller: str | None, since: str | None, until: str | None, root: RootKey) -> Scope:
    from pipeline.retention.holds import Scope

    return Scope(
        call_id=call,
        subject_id=root.subject_id(caller_number(caller)) if caller else None,
        from_at=moment(since) if since else None,
        to_at=moment(until) if until else None,
    )
