"""A new node set up from a laptop at the mast, with or without an uplink."""
