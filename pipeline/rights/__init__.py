"""The rights of the people who were recorded: access, export, correction, restriction, objection; their register."""
