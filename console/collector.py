"""The engine process: polls, ingests, executes intents."""
