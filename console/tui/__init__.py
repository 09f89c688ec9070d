"""The screens: read views, write intents; no rule, no SQL, no driver."""
