"""Firmware of the mesh: which images are trusted, and how they come onto the nodes without cutting one off."""
