"""faster-whisper: implements ``pipeline.transcribe.Transcriber`` for any Whisper model that CTranslate2 runs.

Its public pieces are used one by one rather than through ``transcribe``: that decodes one file at a time, leaves out
whole spoken numbers when it batches without timestamps, and moves the start of a word after a pause forward. Here
timestamps are always decoded, word times are the alignment's own, and several threads each run one worker, which is
faster on CPU than one worker with several threads. Windows are filled to
30 s with silence before their features are made: features filled with zeros read as a hum, and figures get lost in it.
"""

from __future__ import annotations

import copy
import itertools
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models.batches import SharedBatches
from pipeline.audio import SPEECH_RATE_HZ
from pipeline.gaps import drawn_out
from pipeline.types import SpokenLanguage, TimeSpan, Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from pipeline.speech import Window

_PREPENDED, _APPENDED = "\"'“¿([{-", "\"'.,!?:”)]}%"
_JOINTS = ".,-"  # between the figures of one word
_WINDOW = 30 * SPEECH_RATE_HZ  # samples; what the model was trained on
_HOP = 160  # samples between frames of features
_KNOWN = 16  # windows whose encoding may wait to be decoded, those that the language was told from
_MAX_COMPRESSION = 2.4  # more, and the decoder is caught in a loop (Whisper, section 4.5)
_WIDE = 5  # hypotheses with which it is tried first
_HEATS = (0.4, 0.8)  # and then sampling at these temperatures
_SEED = 1  # of the sampling, so that a call is heard the same way twice


@dataclass(frozen=True, slots=True)
class AsrOptions:
    """How the recogniser runs.

    Args:
        device: ``cpu`` or ``cuda``.
        compute_type: CTranslate2's name, such as ``int8`` or ``float16``.
        workers: threads that each decode their own batch; one on a GPU.
        threads: CPU threads inside each worker.
        batch_size: windows in a batch.
        beam_size: hypotheses kept while decoding.
    """

    device: str = "cpu"
    compute_type: str = "int8"
    workers: int = 2
    threads: int = 1
    batch_size: int = 4
    beam_size: int = 1


class WhisperTranscriber:
    """A Whisper model in a folder.

    Args:
        folder: CTranslate2 model with its tokenizer; nothing is downloaded.
        options: how it runs.
    """

    def __init__(self, folder: Path, options: AsrOptions) -> None:
        import ctranslate2
        from faster_whisper import WhisperModel

        ctranslate2.set_random_seed(_SEED)
        self._options = options
        self._known: dict[int, tuple[Window, Any]] = {}  # by identity; out again once it is decoded
        self._model = WhisperModel(
            str(folder),
            device=options.device,
            compute_type=options.compute_type,
            cpu_threads=options.threads,
            num_workers=options.workers,
            local_files_only=True,
        )
        self._batches = SharedBatches(self._decode, options.workers, options.batch_size)

    def with_beam(self, beam_size: int) -> WhisperTranscriber:
        """The same weights, in memory once, under another decoding."""
        other = copy.copy(self)
        other._options = replace(self._options, beam_size=beam_size)  # noqa: SLF001 -- its own copy
        return other

    def detect_language(self, windows: Sequence[Window]) -> SpokenLanguage:
        """The language most likely spoken in these windows, its mean probability over them; 0 if it knows but one."""
        if not self._model.model.is_multilingual:
            return SpokenLanguage("en", 0.0)
        votes: Counter[str] = Counter()
        with ThreadPoolExecutor(self._options.workers) as pool:
            encodings = list(pool.map(lambda window: self._encode([window]), windows))
        if len(self._known) > _KNOWN:  # of calls that ended before they were transcribed
            self._known.clear()
        for window, encoded in zip(windows, encodings, strict=True):
            self._known[id(window)] = window, encoded
            for token, probability in self._model.model.detect_language(encoded)[0]:
                votes[token.strip("<|>")] += probability
        code, votes_for = votes.most_common(1)[0]
        return SpokenLanguage(code, votes_for / len(windows))

    def transcribe(self, windows: Iterable[Window], language: str) -> Iterator[tuple[Window, tuple[Word, ...]]]:
        """The windows in order, each with its words; word times are seconds from the start of the window."""
        kind = language, self._options.beam_size
        remaining = iter(windows)
        running: deque[tuple[list[Window], Future[list[tuple[Word, ...]]]]] = deque()
        try:
            while several := list(itertools.islice(remaining, self._batches.ahead)):
                ready = list(running)
                running.extend(self._batches.hand_in(several, kind))
                for _ in ready:
                    done, future = running.popleft()
                    yield from zip(done, future.result(), strict=True)
            while running:
                done, future = running.popleft()
                yield from zip(done, future.result(), strict=True)
        finally:
            for _, future in running:
                future.cancel()

    def _tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        multilingual = self._model.model.is_multilingual
        return Tokenizer(self._model.hf_tokenizer, multilingual, task="transcribe", language=language)

    def _features(self, windows: Sequence[Window]) -> Any:
        """(windows, mel bins, 3000) log-mel features."""
        extract, frames = self._model.feature_extractor, _WINDOW // _HOP
        return np.stack([extract(w.samples, _WINDOW - len(w.samples))[..., :frames] for w in windows])

    def _encode(self, windows: Sequence[Window]) -> Any:
        """(windows, 1500, model size) encoder output.

        On a CPU one by one: what a window needs fits the caches better than what a batch does, while decoding reads
        all weights for every token and is better done for several windows together.
        """
        from ctranslate2 import StorageView

        if self._options.device != "cpu":
            return self._model.encode(self._features(windows))
        encoded = [self._encoded(window) for window in windows]
        return encoded[0] if len(encoded) == 1 else StorageView.from_array(np.concatenate(list(map(np.array, encoded))))

    def _encoded(self, window: Window) -> Any:
        _, known = self._known.pop(id(window), (window, None))
        return self._model.encode(self._features([window])) if known is None else known

    def _decode(self, windows: list[Window], kind: Any) -> list[tuple[Word, ...]]:
        language, beam_size = kind
        tokenizer = self._tokenizer(language)
        encoded = self._encode(windows)
        tokens = self._text_tokens(encoded, len(windows), tokenizer, beam_size, 0.0)
        for index, window_tokens in enumerate(tokens):
            if self._looping(window_tokens, tokenizer):
                tokens[index] = self._out_of_loop(windows[index], tokenizer)
        frames = [-(-len(window.samples) // _HOP) for window in windows]
        aligned = self._model.find_alignment(tokenizer, tokens, encoded, frames)
        return [words_of(words) for words in aligned] if aligned else [()] * len(windows)

    def _out_of_loop(self, window: Window, tokenizer: Any) -> list[int]:
        """Tokens of a window that was decoded to a loop; none if it cannot be left, so that nobody trusts its words."""
        encoded = self._encode([window])
        for beam_size, heat in ((_WIDE, 0.0), *((1, heat) for heat in _HEATS)):
            tokens = self._text_tokens(encoded, 1, tokenizer, beam_size, heat)[0]
            if not self._looping(tokens, tokenizer):
                return tokens
        return []

    def _text_tokens(self, encoded: Any, count: int, tokenizer: Any, beam_size: int, heat: float) -> list[list[int]]:
        """Text tokens of each window. Timestamps are decoded (without them numbers go missing), then dropped."""
        prompt = self._model.get_prompt(tokenizer, [], without_timestamps=False)
        results = self._model.model.generate(
            encoded,
            [prompt] * count,
            beam_size=beam_size,
            sampling_temperature=heat or 1.0,
            sampling_topk=1 if heat == 0 else 0,
            max_length=self._model.max_length,
            suppress_blank=True,
            suppress_tokens=self._suppressed(tokenizer),
            max_initial_timestamp_index=50,
        )
        return [[token for token in each.sequences_ids[0] if token < tokenizer.eot] for each in results]

    @staticmethod
    def _suppressed(tokenizer: Any) -> list[int]:
        from faster_whisper.transcribe import get_suppressed_tokens

        return list(get_suppressed_tokens(tokenizer, [-1]))

    @staticmethod
    def _looping(tokens: list[int], tokenizer: Any) -> bool:
        return _compression(tokenizer.decode(tokens)) > _MAX_COMPRESSION


def _compression(text: str) -> float:
    from faster_whisper.transcribe import get_compression_ratio

    return float(get_compression_ratio(text)) if text else 0.0


def words_of(aligned: list[dict[str, Any]]) -> tuple[Word, ...]:
    """Words with their punctuation; times in seconds from the start of the window.

    A piece without a space before it, such as the ".99" of "149.99", belongs to the word before, unless one of the two
    lasts so long that something else was said in between: "4.1.1.2" may be two numbers and a question.
    """
    from faster_whisper.transcribe import merge_punctuations

    merge_punctuations(aligned, _PREPENDED, _APPENDED)
    words: list[Word] = []
    parted = True
    for each in aligned:
        start_s, text = float(each["start"]), each["word"].strip()
        if not text:
            continue
        word = Word(text, TimeSpan(start_s, max(float(each["end"]), start_s)), float(each["probability"]))
        long = drawn_out(word)
        if each["word"].startswith(" "):
            words.append(word)
        elif parted or long:
            words.append(replace(word, text=text.lstrip(_JOINTS) or text))
        else:
            before = words.pop()
            span = TimeSpan(before.span.start_s, max(before.span.end_s, word.span.end_s))
            words.append(Word(before.text + word.text, span, min(before.probability, word.probability)))
        parted = long
    return tuple(words)
