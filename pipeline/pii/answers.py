"""Answers in words: names, addresses, e-mail addresses, passwords and security answers that were asked for.

Takes: the talk and its windows. Gives: spans. Promises: a misheard answer of a few odd words is taken whole; a
question back or a refusal is no answer and leaves the question open; spelled letters belong to the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.pii.coded import (
    MAX_CODED,
    SURE,
    between_plain_words,
    coded,
    is_plain,
    measures,
    without_common_ends,
)
from pipeline.pii.dialogue import Talk, Window, says_amount, sentences
from pipeline.pii.lexicon import Shape, lexicon, words
from pipeline.pii.lines import spans
from pipeline.pii.mail import address_start
from pipeline.pii.names import looks_like_name, name_at, names_in
from pipeline.pii.places import is_address_word, is_place_word
from pipeline.pii.quantity import is_measured
from pipeline.pii.segments import HARDLY, refuses, segments, without_lead

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Token
    from pipeline.types import PiiSpan

MAX_FREE = 9
MAX_ODD = 4
"""An answer of up to this many words is taken whole, whatever the words are."""
MAX_GARBLED = 6
MAX_SPELLED = 3
UNSURE = 0.5


def answers(call: Talk, found: Sequence[Window]) -> Iterator[PiiSpan]:
    """Spans of every answer in words."""
    take = {
        Shape.CODE: coded,
        Shape.DATE: coded,
        Shape.DIGITS: coded,
        Shape.NAME: _name,
        Shape.ADDRESS: _address,
        Shape.EMAIL: _email,
        Shape.FREE: _free,
        Shape.SPELLED: _spelling,
    }
    for window in found:
        if window.strong and window.field.shape in take and not (window.giver and take[window.field.shape] is coded):
            parts = segments(call, window)
            if take[window.field.shape] is coded:
                parts = [part for part in parts[:MAX_CODED] if not says_amount(call, call.turns[part[0].line], window)]
            for tokens in take[window.field.shape](parts):
                yield from spans(tokens, window.kind, 0.8, "answer to a request, or announced")
            if window.field.shape in (Shape.NAME, Shape.SPELLED):
                for tokens in _spelled(call.tokens[window.start : window.end]):
                    yield from spans(tokens, window.kind, 0.8, "spelled after a request for a name")


def _spelling(parts: Sequence[tuple[Token, ...]]) -> Iterator[Sequence[Token]]:
    """Sentences with a letter or an odd word in them: spelling is misheard more than anything else that is said."""
    for part in parts[:MAX_SPELLED]:
        for first, end in sentences(part):
            content = without_lead(part[first:end])
            if not content or refuses(content):
                continue
            for each in between_plain_words(content):
                if not measures(each):
                    yield without_common_ends(each)


def _name(parts: Sequence[tuple[Token, ...]]) -> Iterator[Sequence[Token]]:
    answered = False
    for part in parts:
        yield from _spelled(part)
        if refuses(part) or (answered and len(part) > 2 * MAX_ODD and part[0].fold not in words("corrections")):
            continue
        for first, end in sentences(part):
            content = _with_garbled_lead(part[first:end])
            if not content or refuses(content):
                continue
            taken = () if answered else _odd(content) or _spelled_out(content) or _named_clause(content)
            taken = taken or name_at(content, 0, anchored=True)
            if not taken and (not answered or len(part) <= MAX_ODD):
                taken = next(iter(names_in(content)), ())
            if taken:
                answered = True
                yield taken


def _with_garbled_lead(sentence: Sequence[Token]) -> Sequence[Token]:
    """The answer; with the "no" before it if nothing parts them ("No Fairbanks"), which is half a name misheard."""
    content = without_lead(sentence)
    lead = sentence[: len(sentence) - len(content)]
    if len(lead) == 1 and len(content) in (1, 2) and lead[0].fold in words("misheard_leads") and not lead[0].pause:
        return sentence
    return content


def _odd(content: Sequence[Token]) -> Sequence[Token]:
    """A short answer is taken as it stands, and a somewhat longer one whose first word was hardly heard."""
    garbled = content[0].sure <= HARDLY and len(content) > 1
    if (content[0].fold in words("pronouns") and not garbled) or any(token.number for token in content):
        return ()
    return content if len(content) <= (MAX_GARBLED if garbled else MAX_ODD) else ()


def _named_clause(content: Sequence[Token]) -> Sequence[Token]:
    """The first clause of a longer answer, if it is short and ends in a name ("sold at Applegate, the main one")."""
    end = next((at + 1 for at, token in enumerate(content) if token.pause or token.stop), len(content))
    clause = content[:end]
    plain = clause[0].fold in words("pronouns") or any(token.number for token in clause)
    most = MAX_GARBLED if any(token.sure < SURE for token in clause) else MAX_ODD
    return clause if 1 < end <= most and looks_like_name(clause[-1]) and not plain else ()


def _spelled_out(content: Sequence[Token]) -> Sequence[Token]:
    """An answer that is spelled for the most part, with what was misheard in it."""
    short = sum(1 for token in content if token.letters or len(token.fold) <= 2)
    return content if 2 * short >= len(content) and len(content) <= 3 * MAX_ODD else ()


def _spelled(part: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Runs of letters, two or more, that are no abbreviation."""
    run: list[Token] = []
    for token in (*part, None):
        if token and (token.letters or (len(token.fold) == 1 and token.fold.isalpha() and not token.number)):
            run.append(token)
            continue
        said = "".join(each.fold for each in run)
        if len(said) > 1 and (said not in words("abbreviations") or lexicon().is_name(said)):
            yield tuple(run)
        run = []


def _address(parts: Sequence[tuple[Token, ...]]) -> Iterator[Sequence[Token]]:
    answered = False
    for part in parts:
        if refuses(without_lead(part)):
            continue
        for first, end in sentences(part):
            sentence = without_lead(part[first:end])
            marked = [at for at, token in enumerate(sentence) if is_place_word(token)]
            brief = len(sentence) <= 2 * MAX_ODD
            sure = any(_tells_address(sentence, at) and (brief or not sentence[at].number) for at in marked)
            if (
                marked
                and (sure or not measures(sentence))
                and (sure or len(sentence) <= (MAX_ODD if answered else 2 * MAX_ODD))
            ):
                answered = True
                yield sentence[marked[0] : max(marked[-1], _last_unsure(sentence)) + 1]


def _last_unsure(sentence: Sequence[Token]) -> int:
    """The last word of a short sentence that was not surely heard: a part of the address, misheard; else -1."""
    unsure = [at for at, token in enumerate(sentence) if token.sure < UNSURE]
    return unsure[-1] if unsure and len(sentence) <= 2 * MAX_ODD else -1


def _tells_address(sentence: Sequence[Token], at: int) -> bool:
    """Whether a word says that an address is given; a quantity does not."""
    return is_address_word(sentence[at]) and not (sentence[at].number and is_measured(sentence, at, at + 1))


def _email(parts: Sequence[tuple[Token, ...]]) -> Iterator[Sequence[Token]]:
    awaited = True
    for part in parts:
        if refuses(without_lead(part)):
            continue
        for first, end in sentences(part):
            sentence = without_lead(part[first:end])
            marked = any(_is_mail_word(token) for token in sentence)
            short = awaited and len(sentence) <= MAX_ODD and _is_odd(sentence)
            if sentence and (short or (marked and len(sentence) <= 3 * MAX_ODD)):
                yield _without_plain_tail(_without_plain_lead(sentence))
                awaited = not any(_ends_address(token) for token in sentence)
            elif sentence:
                awaited = False


def _ends_address(token: Token) -> bool:
    return token.fold.rpartition(".")[2] in words("top_domains")


def _is_odd(sentence: Sequence[Token]) -> bool:
    """Whether words in it are no everyday words, and none is a number."""
    return not any(t.number for t in sentence) and any(not lexicon().is_common(t.fold) for t in sentence)


def _without_plain_lead(sentence: Sequence[Token]) -> Sequence[Token]:
    """An address that was heard whole without the everyday words, surely heard, before it ("good, ana@example.org")."""
    start, letters = address_start(sentence), words("heard_letters") | words("letter_words")
    lead = [token for token in sentence[:start] if not is_plain(token) or (token.fold in letters and not token.pause)]
    return sentence if lead else sentence[start:]


def _without_plain_tail(sentence: Sequence[Token]) -> Sequence[Token]:
    """An address without the plainly heard clause that follows its domain."""
    domain = max((at for at, token in enumerate(sentence) if _is_mail_word(token)), default=len(sentence))
    tail = next(iter(between_plain_words(sentence[domain + 1 :])), ())
    return sentence[: domain + 1 + len(tail)]


def _is_mail_word(token: Token) -> bool:
    dotted = ("@" in token.fold or "." in token.fold) and not token.quantity
    return token.letters or dotted or token.fold in words("mail_words")


def _asks(content: Sequence[Token]) -> bool:
    """Whether a sentence says what its speaker wants done ("I'd like to raise my limit"), which answers nothing."""
    return lexicon().wish.match(" ".join(token.fold for token in content[:4])) is not None


def _after_preamble(content: Sequence[Token]) -> tuple[int, int]:
    """The sentence that answers: the second if the first only speaks of it ("I think I made it. Paper moon")."""
    (first, end), *more = sentences(content)
    said = content[first:end]
    about = end <= MAX_ODD and said[-1].fold in words("points_back") and all(lexicon().is_common(t.fold) for t in said)
    return more[0] if about and more and not said[-1].question else (first, end)


def _after_musing(part: Sequence[Token]) -> Sequence[Token]:
    """An answer without what leads into it, and without a first sentence that says nothing ("Er, now then.")."""
    content = without_lead(part)
    first, end = next(sentences(content), (0, 0))
    empty = words("talk_words") | words("clause_openers") | words("pronouns")
    muses = end < len(content) and all(token.fold in empty for token in content[first:end])
    return without_lead(content[end:]) if muses else content


def _guessed(part: Sequence[Token]) -> Sequence[Token]:
    """What is guessed in an answer ("Is it tangerine?"), which is no question back; nothing if it is none."""
    talk = words("clause_openers") | words("pronouns") | {"the", "ok", "okay"}
    for first, end in sentences(part):
        guess = part[first + 2 : end]
        asked = [token.fold for token in part[first : first + 2]] in (["is", "it"], ["was", "it"])
        if asked and 0 < len(guess) <= MAX_ODD and talk.isdisjoint(token.fold for token in guess):
            return guess
    return ()


def _before_more(content: Sequence[Token]) -> Sequence[Token]:
    """An answer up to what is to be done after it ("... and then the hash key")."""
    folds = [token.fold for token in content]
    more = (at for at in range(1, len(folds) - 1) if folds[at : at + 2] in (["and", "then"], ["followed", "by"]))
    return content[: next(more, len(content))]


def _free(parts: Sequence[tuple[Token, ...]]) -> Iterator[Sequence[Token]]:
    taken = 0
    for part in parts:
        yield from _spelled(part)
        content = _guessed(part) or _after_musing(part)
        if not content or refuses(content) or _asks(content):
            continue
        if taken and content[0].fold in words("pronouns"):
            break
        first, end = _after_preamble(content)
        yield _before_more(content[first:end])[:MAX_FREE]
        taken += 1
        if taken > 1 or first or any(not lexicon().is_common(token.fold) for token in content[first:end]):
            break
