"""Usual programs: what they touch is compiled, specialised and in memory when a worker is forked."""

#: Each program with its globals, as JSON text.
PROGRAMS = [("1 + 1", "{}")]
