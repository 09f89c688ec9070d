"""The contract of an OpenWrt-like node, over nodes of the lab."""

from tests.contracts.test_linux_node import *  # noqa: F403 - its tests are what is collected here
