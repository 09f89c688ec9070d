"""Read models: what screens and commands show, as SQL over both files. They write nothing."""
