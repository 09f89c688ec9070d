"""Runs services, restarts what failed, stops cleanly; the only broad except of the project."""
