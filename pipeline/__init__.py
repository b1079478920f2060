"""callseal: redacts, seals and erases recorded telephone calls, and proves it."""
