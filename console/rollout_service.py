"""The engine's rollout service put together: nodes over SSH, the signed catalogue, the test hook. Composition only."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

from console import crash_hook
from console.errors import ConfigError, SecretError
from console.supervisor import Service
from device_drivers.errors import Refused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from console.node_access import NodeAccess
    from device_drivers.capabilities import LinuxNode, OpenNode
    from local_store.db import Store

FIRMWARE, CATALOGUE = "firmware", "catalogue"


def rollout_service(
    open_nodes: Callable[[], NodeAccess],
    store: Store,
    now_ms: Callable[[], int],
    signer: Ed25519PrivateKey,
    poll_now: SimpleQueue[str],
) -> Service:
    """The service `rollout`; what it stands on is loaded when it starts. `poll_now` is the watch's."""

    def run(stop: threading.Event, report: Callable[[Mapping[str, object]], None]) -> None:
        from playbooks.firmware import shelf
        from playbooks.firmware.books import Ports, no_hook
        from playbooks.firmware.observe import current_graph
        from playbooks.firmware.service import Rollouts
        from playbooks.firmware.witnesses import asking

        home = store.directory / FIRMWARE
        hook = crash_hook.from_environment(os.environ) or no_hook
        with closing(open_nodes()) as access:
            opened = reporting_mistakes(access)
            ports = Ports(
                opened,
                shelf.opener(home, home / CATALOGUE),
                current_graph,
                signer,
                hook,
                asking(store, poll_now, now_ms, stop),
            )
            Rollouts(store, ports, now_ms).run(stop, report)

    return Service("rollout", run)


def reporting_mistakes(access: Callable[[str], AbstractContextManager[LinuxNode]]) -> OpenNode:
    """The same access for services: what the configuration lacks for one node is that node's refusal, no more."""

    @contextmanager
    def opened(node_id: str) -> Iterator[LinuxNode]:
        with ExitStack() as stack:
            try:
                node = stack.enter_context(access(node_id))
            except (ConfigError, SecretError) as error:
                raise Refused(node_id, str(error)) from error
            yield node

    return opened
