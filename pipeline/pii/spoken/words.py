"""The vocabulary of spoken English numbers, letters, dates and addresses.

Sources: the ICAO / NATO spelling alphabet; months and numbers of English; top-level domains that callers say.
"""

from __future__ import annotations

DIGITS = {
    "zero": "0", "nought": "0", "naught": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9", "niner": "9", "fife": "5",
}  # fmt: skip
TEENS = {
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90,
}  # fmt: skip
SCALES = {"hundred": 100, "thousand": 1000}
ZERO_SOUNDS = frozenset({"oh", "o", "ou"})
MULTIPLES = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
NUMBER_WORDS = frozenset({*DIGITS, *TEENS, *TENS, *SCALES, *MULTIPLES, "oh", "o"})
HOMOPHONES = {"to": "2", "too": "2", "for": "4", "fore": "4", "ate": "8", "won": "1", "free": "3", "tree": "3"}
INNER_HOMOPHONES = frozenset({"free", "tree"})

ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15,
    "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
MONTHS = {
    "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8,
    "september": 9, "october": 10, "november": 11, "december": 12, "jan": 1, "feb": 2, "mar": 3, "apr": 4,
    "jun": 6, "jul": 7, "aug": 8, "sep": 9, "sept": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip

NATO = {
    "alpha": "A", "alfa": "A", "bravo": "B", "charlie": "C", "delta": "D", "echo": "E", "foxtrot": "F", "golf": "G",
    "hotel": "H", "india": "I", "juliet": "J", "juliett": "J", "juliette": "J", "kilo": "K", "lima": "L",
    "mike": "M", "november": "N", "oscar": "O", "papa": "P", "quebec": "Q", "romeo": "R", "sierra": "S",
    "tango": "T", "uniform": "U", "victor": "V", "whiskey": "W", "whisky": "W", "x-ray": "X", "xray": "X",
    "yankee": "Y", "zulu": "Z",
}  # fmt: skip
NATO_NAMES = frozenset({"charlie", "juliet", "juliette", "mike", "oscar", "romeo", "victor", "sierra", "india"})
LETTER_NAMES = {"zed": "Z", "zedd": "Z", "zee": "Z", "aitch": "H", "haitch": "H"}
LETTER_SOUNDS = {
    "be": "B", "bee": "B", "see": "C", "sea": "C", "cee": "C", "dee": "D", "eff": "F", "gee": "G", "eye": "I",
    "jay": "J", "kay": "K", "el": "L", "ell": "L", "em": "M", "en": "N", "pea": "P", "pee": "P", "cue": "Q",
    "queue": "Q", "are": "R", "ess": "S", "tea": "T", "tee": "T", "you": "U", "vee": "V", "ex": "X", "why": "Y",
}  # fmt: skip
# Sounds of letters behind which "for" and a word say nothing else ("why for yacht", but "tea for two").
LETTERS_BY_SOUND = frozenset(LETTER_SOUNDS) - {"be", "see", "are", "you", "eye", "tea", "sea"}
CASES = frozenset({"capital", "uppercase", "lowercase", "small"})
PHONETIC_A_I = frozenset({
    "apple", "able", "adam", "alice", "alpha", "alfa", "andrew", "anna", "ant", "apples", "arthur",
    "india", "ida", "igloo", "ink", "isaac", "item", "ireland", "italy", "indigo",
})  # fmt: skip
SHORT_WORDS = frozenset({
    "AM", "AN", "AS", "AT", "BE", "BY", "DO", "GO", "HE", "HI", "IF", "IN", "IS", "IT", "ME", "MY", "NO", "OF", "OH",
    "OK", "ON", "OR", "PM", "SO", "TO", "TV", "UK", "UP", "US", "EU", "WE", "AI", "HR", "PR", "THE", "AND", "FOR",
})  # fmt: skip

HESITATIONS = frozenset({"uh", "um", "er", "erm", "hmm", "mm", "dash", "hyphen", "space", "pause", "gap"})
CONJUNCTIONS = frozenset({"and", "then", "that's", "thats", "okay", "ok"})
DETERMINERS = frozenset({
    "the", "this", "that", "no", "which", "each", "every", "any", "some", "another", "other", "only", "last",
    "next", "first", "second", "new", "old", "right", "wrong", "same",
})  # fmt: skip
AFTER_I = frozenset({
    "think", "have", "need", "am", "was", "would", "want", "will", "don't", "can", "just", "guess", "mean",
    "believe", "know", "had", "got", "do", "did", "said", "live", "like",
})  # fmt: skip
MONEY = frozenset({"dollar", "dollars", "percent", "cent", "cents", "pound", "pounds", "euro", "euros", "bucks", "%"})
SCALE_NOUNS = frozenset({"million", "billion", "trillion", "grand"})
COUNTED = (
    MONEY
    | SCALE_NOUNS
    | frozenset({
        "second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks", "month", "months",
        "year", "years", "time", "times", "people", "basis", "points", "stores", "business", "miles", "quarters",
        "units", "percentage", "kids", "children", "pints", "glasses", "others", "or",
    })
)  # fmt: skip

TLDS = frozenset({
    "com", "net", "org", "co", "uk", "io", "edu", "gov", "us", "ca", "de", "fr", "es", "eu", "info", "biz", "me",
    "tv", "ai", "app", "dev", "ie", "au", "nz", "mil", "in", "it", "ch", "nl", "be", "at", "se", "no", "jp", "br",
    "mx", "za", "test", "example", "online", "shop", "site", "xyz", "cloud", "tech", "health", "bank", "name",
})  # fmt: skip
TLDS_THAT_ARE_WORDS = frozenset({
    "us", "me", "in", "it", "be", "at", "no", "test", "example", "online", "shop", "site", "cloud", "tech",
    "health", "bank", "name", "app",
})  # fmt: skip
DOTS = frozenset({"dot", "point", "period"})
SIGNS = {
    "dot": ".", "point": ".", "period": ".", "dash": "-", "hyphen": "-", "minus": "-", "underscore": "_",
    "plus": "+", "slash": "/",
}  # fmt: skip
PROVIDERS = frozenset({
    "gmail", "googlemail", "hotmail", "outlook", "yahoo", "icloud", "aol", "msn", "live", "protonmail", "proton",
    "ymail", "comcast", "verizon", "btinternet", "gmx", "me", "mac", "fastmail", "zoho", "sky", "mail", "att",
})  # fmt: skip
FUNCTION_WORDS = frozenset({
    "a", "an", "the", "this", "that", "these", "those", "is", "it", "its", "it's", "that's", "was", "were", "be",
    "been", "are", "am", "i", "i'm", "my", "me", "mine", "you", "your", "we", "our", "us", "they", "them", "their",
    "he", "him", "his", "she", "her", "to", "too", "of", "on", "in", "by", "with", "from", "for", "as", "or", "and",
    "but", "so", "if", "then", "than", "not", "no", "yes", "yeah", "yep", "yup", "okay", "ok", "right", "sure",
    "well", "um", "uh", "er", "erm", "hmm", "oh", "at", "about", "into", "over", "under", "out", "up", "down", "off",
    "please", "thanks", "thank", "email", "e-mail", "mail", "emails", "address", "addresses", "website", "site",
    "web", "page", "online", "domain", "send", "sent", "sending", "reach", "contact", "look", "looking", "visit",
    "visiting", "find", "found", "go", "going", "see", "check", "call", "write", "have", "has", "had", "do", "does",
    "did", "can", "could", "will", "would", "should", "may", "might", "must", "get", "got", "just", "also", "like",
    "want", "need", "know", "think", "said", "say", "says", "called", "named", "there", "here", "what", "which",
    "who", "where", "when", "how", "why", "using", "use", "via", "it'll", "i'll", "we're", "you're", "they're",
    "what's", "let's", "there's", "here's", "would've", "one's", "everyone", "someone", "available", "account",
    "password", "username", "user", "login", "log", "sign",
})  # fmt: skip
