"""How numbers, letters, dates and addresses are said aloud, and how they are written.

Takes the words of one turn, gives drafts of written pieces, each with the words it came from. Pure Python, English.
``pipeline.pii.written`` is the way in; nothing else imports these modules.
"""
