"""A call while it is spoken: samples in, redacted turns and redacted audio out, a stated delay later.

    backlog    samples that arrived and wait to be heard
    hearing    speech windows of the call so far, transcribed as soon as they may be; how far everything is heard
    sense      what was heard means: turns, redactions, consent so far
    gate       whether the consent that was shown so far lets anything out
    outlet     audio that waits for its time; replaces, lets out, and counts what was found too late
    call       the story that joins them
    messages   what is told of it, as JSON
    admit      who may be listened to at all
    keep       the same call for the archive: sealed while it is spoken, handed in like a finished one

Nothing is stored here. What was not heard, not understood or not consented to by its time comes out as silence.
"""
