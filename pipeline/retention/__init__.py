"""Until when what is kept, what holds it longer, and what goes."""
