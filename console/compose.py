"""The composition root: builds store, drivers and playbooks from a configuration."""
