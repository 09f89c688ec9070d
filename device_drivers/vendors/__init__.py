"""Makers with a command line of their own, behind the capabilities of device_drivers.capabilities."""
