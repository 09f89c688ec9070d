"""A made-up city that speaks the real protocols on loopback, with the real odd behaviour."""
