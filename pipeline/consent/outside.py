"""What the platform says about consent outside the recording, as evidence. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.types import ConsentSignal, Evidence, Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pipeline.consent.policy import ConsentPolicy
    from pipeline.metadata import CallMetadata, ConsentMetadata


def outside(metadata: CallMetadata, policy: ConsentPolicy, at: datetime) -> tuple[Evidence, ...]:
    """Notices, consents and refusals that the metadata tell of.

    Args:
        metadata: of the call.
        policy: purposes, and the versions of the privacy policy.
        at: when the call was made: a consent given before the last significant change of the privacy policy counts no
            longer.
    """
    told = metadata.consent
    return (*_notice(told), *_consent(told, policy, at), *_opt_outs(told))


def _notice(told: ConsentMetadata) -> Iterator[Evidence]:
    if told.recording_notice in ("ivr", "agent"):
        rule = f"notice:{told.recording_notice}"
        purposes = frozenset(told.notice_purposes)
        yield Evidence(ConsentSignal.NOTICE_OUTSIDE, rule, purposes=purposes, version=told.notice_version)
    elif told.recording_notice == "none":
        yield Evidence(ConsentSignal.NO_NOTICE_OUTSIDE, "notice:none")


def _consent(told: ConsentMetadata, policy: ConsentPolicy, at: datetime) -> Iterator[Evidence]:
    if told.given is None:
        return
    purposes = frozenset(told.purposes or policy.with_recording)
    by = f"given:{told.given_by}"
    if told.given == "no":
        everything = told.purposes is None or Purpose.RECORDING in told.purposes
        about = frozenset[Purpose]() if everything else purposes
        yield Evidence(ConsentSignal.REFUSAL_OUTSIDE, by, purposes=about, at=told.given_at)
        return
    changed = policy.asked_again_since(at)
    outdated = changed is not None and (told.given_at is None or told.given_at.date() < changed)
    signal = ConsentSignal.CONSENT_OUTDATED if outdated else ConsentSignal.CONSENT_OUTSIDE
    yield Evidence(signal, by, purposes=purposes, version=told.given_version, at=told.given_at)


def _opt_outs(told: ConsentMetadata) -> Iterator[Evidence]:
    if told.opt_out:
        everything = Purpose.RECORDING in told.opt_out
        purposes = frozenset() if everything else frozenset(told.opt_out)
        yield Evidence(ConsentSignal.REFUSAL_OUTSIDE, "opt-out on file", purposes=purposes)
