"""The contract of configurations with a way back, over nodes of the lab."""

from tests.contracts.test_linux_configuration import *  # noqa: F403 - its tests are what is collected here
