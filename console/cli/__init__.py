"""The command line: one twin for every screen, no Textual."""
