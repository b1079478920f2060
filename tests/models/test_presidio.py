"""Presidio behind our protocol: what it finds, that it opens no socket and says nothing."""

from __future__ import annotations

import logging
import socket
from typing import NoReturn

import pytest

from models.pii import PresidioRecognizer


@pytest.fixture(scope="module")
def recognizer() -> PresidioRecognizer:
    """Loaded once."""
    return PresidioRecognizer()


def test_entities_come_per_text_with_their_place(recognizer: PresidioRecognizer) -> None:
    """One list per text, in order; a span cuts the entity out of its text."""
    texts = ["Hello, I am John Smith from Boston.", "Nothing to see.", "The card is 4111111111111111."]
    people, forms = recognizer.people(texts), recognizer.forms(texts)
    named = {entity.entity_type: texts[0][entity.chars.start : entity.chars.end] for entity in people[0]}
    assert named == {"PERSON": "John Smith", "LOCATION": "Boston"}
    assert people[1] == forms[1] == []
    assert {"CREDIT_CARD"} <= {entity.entity_type for entity in forms[2]}
    assert len(forms) == len(people) == len(texts)
    assert all(0.0 <= entity.score <= 1.0 for entities in (*people, *forms) for entity in entities)


def test_no_texts_give_no_lists(recognizer: PresidioRecognizer) -> None:
    """An empty call costs nothing."""
    assert recognizer.people([]) == recognizer.forms([]) == []


def test_recognizing_opens_no_socket_and_logs_nothing(
    recognizer: PresidioRecognizer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Addresses and links are what stock Presidio goes to the network for; ours does not, and no text reaches a log."""

    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with caplog.at_level(logging.DEBUG):
        found = recognizer.forms(["Write to violet@example.com or see example.com/people/violet today."])
    assert "URL" in {entity.entity_type for entity in found[0]}
    assert "violet" not in caplog.text
