"""``callseal serve`` and ``callseal token``: the hook, and who may call it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, print_result, settings_of
from pipeline.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.config import Settings
    from pipeline.live.sense import Ears

app = typer.Typer(help="Who may call the hook.", no_args_is_help=True)


def serve_command(*, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Take finished calls in over HTTP; ``callseal worker`` processes them."""
    settings = settings_of(data_dir, config)
    try:
        import uvicorn

        from pipeline.api.app import Door, make_app
    except ImportError as exc:
        raise MissingExtra("api") from exc
    from pipeline import jobs
    from pipeline.api.media_streams import MESSAGE_BYTES
    from pipeline.build import custody
    from pipeline.retention import retain
    from pipeline.roles import Role

    held = custody(settings, Role.INGEST)
    retention = retain.load_policy(settings.policy_file("retention.toml"))
    with jobs.queue(settings) as queue:
        door = Door(
            settings=settings,
            held=held,
            retention=retention,
            enqueue=lambda call_ids: jobs.enqueue_many(queue, call_ids, jobs.LIVE),
            progress=lambda: jobs.progress(queue, datetime.now(UTC)),
            clock=lambda: datetime.now(UTC),
            ears=_ears(settings),
        )
        uvicorn.run(
            make_app(door),
            host=settings.api.host,
            port=settings.api.port,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="websockets-sansio",
            ws_max_size=MESSAGE_BYTES,
            ws_ping_interval=None,  # whoever is held up answers late; pipeline.api.live ends what says nothing
        )
    print_result({"ended": True}, lambda _: ["the hook ended"], as_json=as_json)


def _ears(settings: Settings) -> Callable[[], Ears] | None:
    """What live calls are heard with, loaded before the first one; None where the settings ask for none."""
    if not settings.live.at_once:
        return None
    from pipeline.build import live_ears

    ears = live_ears(settings)
    for load in (ears.vad, ears.transcriber, ears.recognizer, ears.tagger):
        load()
    return lambda: ears


@app.command("create")
def create_command(
    *,
    scope: Annotated[
        list[str], typer.Option(help="deliver, metrics, s3_events, live or listen; may be given more than once.")
    ],
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it is good for.")] = 365,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a token; its text is shown now and never again."""
    settings = settings_of(data_dir, config)
    from pipeline.build import custody
    from pipeline.errors import UsageError
    from pipeline.roles import Act, Role
    from pipeline.tokens import Scope, create_token

    try:
        scopes = [Scope(each) for each in scope]
    except ValueError:
        raise UsageError(f"a scope is one of {', '.join(Scope)}") from None
    held, now = custody(settings, Role.ADMIN), datetime.now(UTC)
    with held.access.acting(Act.ADMIT) as found:
        token, text = create_token(held.records.engine, scopes, now, now + timedelta(days=days))
        found["token_id"] = token.token_id
    made = {"token_id": token.token_id, "token": text, "expires_at": token.expires_at.isoformat()}
    print_result(made, lambda v: [v["token"]], as_json=as_json)


@app.command("list")
def list_command(*, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """The tokens there are, without what they say."""
    settings = settings_of(data_dir, config)
    from pipeline.build import custody
    from pipeline.roles import Role
    from pipeline.tokens import list_tokens

    found = [
        {
            "token_id": token.token_id,
            "scopes": sorted(token.scopes),
            "expires_at": token.expires_at.isoformat(),
            "revoked": token.revoked_at is not None,
        }
        for token in list_tokens(custody(settings, Role.ADMIN).records.engine)
    ]
    print_result({"tokens": found}, _token_lines, as_json=as_json)


@app.command("revoke")
def revoke_command(
    token_id: Annotated[str, typer.Argument(metavar="TOKEN_ID")],
    *,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a token back, from now on."""
    settings = settings_of(data_dir, config)
    from pipeline.build import custody
    from pipeline.roles import Act, Role
    from pipeline.tokens import revoke_token

    held = custody(settings, Role.ADMIN)
    with held.access.acting(Act.ADMIT, token_id=token_id):
        revoke_token(held.records.engine, token_id, datetime.now(UTC))
    print_result({"token_id": token_id, "revoked": True}, lambda _: [f"token {token_id} is revoked"], as_json=as_json)


def _token_lines(found: dict[str, Any]) -> Iterator[str]:
    for token in found["tokens"]:
        state = "revoked" if token["revoked"] else f"until {token['expires_at'][:10]}"
        yield f"{token['token_id']}  {' '.join(token['scopes'])}  {state}"
