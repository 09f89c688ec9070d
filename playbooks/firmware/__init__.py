"""Firmware: whose signatures count, which images the city trusts, how they roll out with proof."""
