"""People: screens, command line, composition and processes."""
