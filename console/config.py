"""The one TOML file: unknown keys are refused with file and line."""
