"""Configurations of nodes as an operation: backups, judgement, journaled pushes with a way back."""
