"""``callseal subject``: the rights of a caller, and the register of what was asked for, by when, with what outcome.

Every right goes the same way: the request is written down, whoever asks is verified, it is carried out, it is closed.
A request whose identity is not verified yet is written down and refused, exit code 4, with its id; ``--request`` takes
it up again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
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
    purpose_named,
    settings_of,
)
from pipeline.cli.subject_text import access_lines, request_lines, requests_lines, withdrawal_lines
from pipeline.errors import Refused, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.custody import Custody
    from pipeline.retention.retain import RetentionPolicy
    from pipeline.rights.policy import RightsPolicy
    from pipeline.rights.register import Request, Right

app = typer.Typer(help="The rights of a caller, and the register of requests.")

Caller = Annotated[str, typer.Option("--caller", help="Whose right it is, in any common spelling.", metavar="NUMBER")]
Identity = Annotated[str | None, typer.Option("--identity", help="How it was verified who asks; see rights.toml.")]
Law = Annotated[str | None, typer.Option("--law", help="Whose time runs; see rights.toml.")]
Received = Annotated[str | None, typer.Option("--received", help="When it came in; else now.", metavar="DATE")]
Continued = Annotated[str | None, typer.Option("--request", help="Take up this request.", metavar="REQUEST_ID")]
RequestId = Annotated[str, typer.Argument(metavar="REQUEST_ID")]
Reason = Annotated[str, typer.Option("--reason", help="Why, without personal data.")]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where requests are handled: what is held, the policy, who sits there and what time it is."""

    held: Custody
    policy: RightsPolicy
    retention: RetentionPolicy
    by_id: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command says about a request."""

    caller: str
    identity: str | None
    law: str | None
    received: str | None
    request_id: str | None


def desk(data_dir: Path | None, config: Path | None, by: str | None) -> Desk:
    """The desk of this installation. Raises Refused where this role has no say in rights."""
    settings = settings_of(data_dir, config)
    from pipeline.build import custody
    from pipeline.retention import retain
    from pipeline.rights.policy import load_policy
    from pipeline.roles import Act, Role

    policy = load_policy(settings.policy_file("rights.toml"))
    retention = retain.load_policy(settings.policy_file("retention.toml"))
    held = custody(settings, Role.PRIVACY_OFFICER, actor_id=operator(by))
    held.access.require(Act.RIGHTS)
    return Desk(held, policy, retention, operator(by), datetime.now(UTC))


def verified(at: Desk, right: Right, asked: Asked) -> Request:
    """The request, written down and verified.

    Raises:
        Refused: nobody has verified who asks; the request is in the register.
        UsageError: the caller is not the one of the request, or something of it makes no sense.
    """
    from pipeline.rights import register

    engine = at.held.records.engine
    subject_id = at.held.root.subject_id(caller_number(asked.caller))
    if asked.request_id:
        request = register.request(engine, asked.request_id)
        if (request.subject_id, request.right) != (subject_id, right):
            raise UsageError(f"request {request.request_id} is about another caller or another right")
    else:
        received = moment(asked.received) if asked.received else at.now
        law = at.policy.law_named(asked.law)
        request = register.receive(engine, right, subject_id, law, by_id=at.by_id, at=min(received, at.now))
    if asked.identity:
        request = register.verify(engine, at.policy, request.request_id, asked.identity, by_id=at.by_id, now=at.now)
    if request.identity is None:
        ways = ", ".join(at.policy.identity)
        raise Refused(
            f"request {request.request_id} is written down, due {request.due_at:%Y-%m-%d}; verify who asks, "
            f"then add --identity ({ways})"
        )
    return request


def granted(at: Desk, request: Request, left_out: str | None = None) -> dict[str, Any]:
    """The request, closed as granted, in part where something was left out, as ``--json`` prints it."""
    from pipeline.rights.access import request_value
    from pipeline.rights.register import Outcome, close
    from pipeline.roles import Act

    engine = at.held.records.engine
    with at.held.access.acting(Act.RIGHTS, request_id=request.request_id, right=request.right.value):
        outcome = Outcome.PARTLY if left_out else Outcome.GRANTED
        return request_value(close(engine, request.request_id, outcome, by_id=at.by_id, now=at.now, reason=left_out))


@app.command("access")
def access_command(
    *,
    caller: Caller,
    identity: Identity = None,
    law: Law = None,
    received: Received = None,
    request: Continued = None,
    by: By = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what is held of a caller, why, until when, and who has had it."""
    at = desk(data_dir, config, by)
    from pipeline.rights.access import access
    from pipeline.rights.register import Right

    found = verified(at, Right.ACCESS, Asked(caller, identity, law, received, request))
    answer = access(at.held.records, found.subject_id, at.policy, at.now)
    print_result({"request": granted(at, found), **answer}, access_lines, as_json=as_json)


@app.command("restrict")
def restrict_command(
    *,
    caller: Caller,
    reason: Reason = "the caller asked for it",
    identity: Identity = None,
    law: Law = None,
    received: Received = None,
    request: Continued = None,
    by: By = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Stop processing, export and deletion of a caller's calls until ``lift``."""
    at = desk(data_dir, config, by)
    from pipeline.rights.register import Right
    from pipeline.rights.restrict import restrict

    found = verified(at, Right.RESTRICT, Asked(caller, identity, law, received, request))
    made = restrict(at.held.records.engine, at.policy, found, by_id=at.by_id, reason=reason, now=at.now)
    print_result({"request": granted(at, found), "restriction": made.hold_id}, request_lines, as_json=as_json)


@app.command("object")
def object_command(
    *,
    caller: Caller,
    reason: Reason = "the caller objects",
    identity: Identity = None,
    law: Law = None,
    received: Received = None,
    request: Continued = None,
    by: By = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write an objection down and do what the policy says until it is decided; the request stays open until then."""
    at = desk(data_dir, config, by)
    from pipeline.rights.access import request_value
    from pipeline.rights.register import Right
    from pipeline.rights.restrict import restrict

    found = verified(at, Right.OBJECT, Asked(caller, identity, law, received, request))
    hold_id = None
    if at.policy.objection.then == "restrict":
        engine = at.held.records.engine
        hold_id = restrict(engine, at.policy, found, by_id=at.by_id, reason=reason, now=at.now).hold_id
    print_result({"request": request_value(found), "restriction": hold_id}, request_lines, as_json=as_json)


@app.command("withdraw")
def withdraw_command(
    *,
    caller: Caller,
    purpose: Annotated[list[str] | None, typer.Option(help="For this purpose only; may be repeated.")] = None,
    channel: Annotated[str, typer.Option(help="How the request came in: phone, mail, web ...")] = "unstated",
    received: Received = None,
    by: By = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a caller's consent back: no more processing, and the policy for calls that are stored.

    No proof of identity is asked for: to withdraw is as easy as to consent (GDPR Art. 7(3)).
    """
    at = desk(data_dir, config, by)
    from pipeline.consent import load_consent_policy
    from pipeline.roles import Act
    from pipeline.summary import stamp
    from pipeline.withdraw import apply
    from pipeline.withdrawals import Order, withdrawals, write_down

    policy = load_consent_policy(settings_of(data_dir, config).policy_file("consent.toml"))
    order = Order(channel, min(moment(received) if received else at.now, at.now), at.by_id, at.now)
    subject_id = at.held.root.subject_id(caller_number(caller))
    made = withdrawals(subject_id, [purpose_named(each) for each in purpose or ()], order, policy.withdrawal.stored)
    with at.held.access.acting(Act.RIGHTS, right="withdraw") as found:
        write_down(at.held.records.engine, made)
        applied = apply(at.held, subject_id, at.now)
        found["calls"] = len(applied.changed)
    value = {
        "withdrawals": [each.withdrawal_id for each in made],
        "purposes": [each.purpose.value for each in made],
        "channel": channel,
        "requested_at": stamp(order.requested_at),
        "stored": policy.withdrawal.stored,
        "calls": list(applied.changed),
        "calls_on_hold": list(applied.held),
    }
    print_result(value, withdrawal_lines, as_json=as_json)


@app.command("lift")
def lift_command(
    request_id: RequestId,
    *,
    reason: Reason,
    by: By = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """End the restriction of a request, after the caller was told; what it stopped is carried out."""
    at = desk(data_dir, config, by)
    from pipeline.retention.release import carry_out_freed
    from pipeline.rights.access import request_value
    from pipeline.rights.register import request
    from pipeline.rights.restrict import lift
    from pipeline.roles import Act

    engine = at.held.records.engine
    with at.held.access.acting(Act.RIGHTS, request_id=request_id, change="lift") as found:
        lifted = lift(engine, request_id, by_id=at.by_id, reason=reason, now=at.now)
        done = carry_out_freed(at.held, at.retention, at.now)
        found.update(done)
    value = {"request": request_value(request(engine, request_id)), "lifted": lifted.hold_id, "carried_out": done}
    print_result(value, request_lines, as_json=as_json)


@app.command("requests")
def requests_command(
    *,
    closed: Annotated[bool, typer.Option("--all", help="Those that are closed, too.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the register: the open requests, the first due first."""
    at = desk(data_dir, config, None)
    from pipeline.rights.access import request_value
    from pipeline.rights.register import requests

    found = requests(at.held.records.engine, closed=closed)
    values = [request_value(each) | {"overdue": each.outcome is None and each.due_at <= at.now} for each in found]
    print_result({"requests": values}, requests_lines, as_json=as_json)


@app.command("close")
def close_command(
    request_id: RequestId,
    *,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refused, for this reason.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, without personal data.")] = None,
    by: By = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Close a request that a person decided: granted, or refused for a reason that the caller is told."""
    at = desk(data_dir, config, by)
    from pipeline.rights.access import request_value
    from pipeline.rights.register import Outcome, close
    from pipeline.roles import Act

    outcome = Outcome.REFUSED if refuse else Outcome.GRANTED
    with at.held.access.acting(Act.RIGHTS, request_id=request_id, change="close", outcome=outcome.value):
        done = close(at.held.records.engine, request_id, outcome, by_id=at.by_id, now=at.now, reason=reason)
    print_result({"request": request_value(done)}, request_lines, as_json=as_json)


@app.command("extend")
def extend_command(
    request_id: RequestId,
    *,
    reason: Reason,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Put the due date off, once, as far as the law allows; the caller is told why."""
    at = desk(data_dir, config, None)
    from pipeline.rights.access import request_value
    from pipeline.rights.register import extend
    from pipeline.roles import Act

    with at.held.access.acting(Act.RIGHTS, request_id=request_id, change="extend"):
        done = extend(at.held.records.engine, at.policy, request_id, reason=reason, now=at.now)
    print_result({"request": request_value(done)}, request_lines, as_json=as_json)
