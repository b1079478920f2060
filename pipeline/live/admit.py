"""Who may be listened to while they speak: asked before the first sample is heard. Ids only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline import withdrawals
from pipeline.errors import Refused
from pipeline.rights.restrict import restrictions

if TYPE_CHECKING:
    from pipeline.custody import Custody
    from pipeline.metadata import CallMetadata
    from pipeline.types import Evidence


def admit(metadata: CallMetadata, held: Custody) -> tuple[Evidence, ...]:
    """What is known of the caller's consent from before the call.

    Raises:
        Refused: the caller withdrew consent, or restricts the use of their calls: nobody listens.
    """
    if metadata.customer_number is None:
        return ()
    subject_id = held.root.subject_id(metadata.customer_number)
    standing = withdrawals.standing(held.records.engine, subject_id, metadata)
    if withdrawals.closes(standing):
        raise Refused("the caller withdrew consent: the call is not listened to")
    if restrictions(held.records.engine, subject_id):
        raise Refused("the caller restricts the use of their calls: the call is not listened to")
    return withdrawals.evidence(standing)
