"""Mistakes in what a person gave us, each as one sentence."""

from __future__ import annotations


class ConfigError(Exception):
    """The configuration cannot be used; the text names file, line, what was expected and what to do."""


class SecretError(Exception):
    """A secret cannot be had; the text says where it was looked for, and never holds the secret."""
