"""The contract of an OpenWrt-like node over SSH. Knows no simulator: another suite brings its own `linux_node`."""

from __future__ import annotations

import hashlib
import io
import uuid

import pytest

from device_drivers import openwrt_keys, openwrt_scripts
from device_drivers.capabilities import BootFacts, FlashOrder, LinuxNode
from device_drivers.errors import Garbled, Refused
from tests.contracts.linux_peer import Image, LinuxPeer


def op() -> str:
    return uuid.uuid4().hex


def sha(image: Image) -> str:
    return hashlib.sha256(image.body).hexdigest()


def stage(node: LinuxNode, image: Image, op_id: str) -> str:
    return node.stage(io.BytesIO(image.body), len(image.body), sha(image), op_id)


def order(node: LinuxNode, image: Image, op_id: str, **other: str) -> FlashOrder:
    facts: dict[str, str] = {"boot_id": node.boot().boot_id, "revision": node.board().revision, **other}
    return FlashOrder(op_id, stage(node, image, op_id), sha(image), **facts)


def test_it_says_what_it_is_and_how_it_runs(linux_node: LinuxPeer) -> None:
    with linux_node.open() as node:
        board, boot, again = node.board(), node.boot(), node.boot()
        assert node.identity().startswith("SHA256:")
    assert all((board.board_name, board.model, board.version, board.revision, board.hostname))
    assert f'"{board.board_name}"' in board.raw
    assert len(boot.boot_id) == 36
    assert boot.boot_id == again.boot_id
    assert again.uptime_s >= boot.uptime_s >= 0
    assert min(boot.mem_available_bytes, boot.tmp_free_bytes) > 1 << 20


def test_commands_end_with_their_status(linux_node: LinuxPeer) -> None:
    with linux_node.open() as node:
        assert node.run("echo hello").stdout == b"hello\n"
        assert node.run("no-such-program").exit_status == 127
        assert node.run("uci get system.nothing.there").exit_status == 1


def test_the_batch_of_uci_is_not_to_be_believed(linux_node: LinuxPeer) -> None:
    lines = b"set system.@system[0].zonename='Europe/Berlin'\nset system.nobody.x=1\nnonsense\n"
    with linux_node.open() as node:
        ran = node.run("uci -t /tmp/contract batch", stdin=lines)
        changes = node.run("uci -t /tmp/contract changes system").stdout.decode()
        node.run("uci -t /tmp/contract revert system")
        left = node.run("uci -t /tmp/contract changes system").stdout
    assert ran.exit_status == 0
    assert len(ran.stderr.splitlines()) == 2  # the real one names itself only in front of one of them
    assert "zonename='Europe/Berlin'" in changes
    assert "nobody" not in changes
    assert left == b""


def test_staging_an_image_keeps_it_until_it_is_swept(linux_node: LinuxPeer) -> None:
    mine, other = op(), op()
    with linux_node.open() as node:
        assert node.staged(mine) is None
        path = stage(node, linux_node.newer, mine)
        stage(node, linux_node.newer, other)
        assert mine in path
        assert node.staged(mine) == (path, sha(linux_node.newer))
        assert node.sweep([mine]) == 1
        assert node.staged(other) is None
        assert node.staged(mine) is not None
        assert node.sweep([]) == 1
        assert node.staged(mine) is None


def test_an_upload_goes_on_where_it_broke_off(linux_node: LinuxPeer) -> None:
    mine, image = op(), linux_node.newer
    most = len(image.body) * 9 // 10
    seen: list[int] = []
    with linux_node.open() as node:
        with pytest.raises(Garbled):
            node.stage(io.BytesIO(image.body[:most]), most, "0" * 64, mine)
        assert node.staged(mine) is None

        class Breaks(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                if self.tell() >= most:
                    raise BrokenPipeError("the cable was pulled")
                return super().read(min(size or 0, most - self.tell()))

        with pytest.raises(Exception, match=r"cable|broke off"):
            node.stage(Breaks(image.body), len(image.body), sha(image), mine)

    kept = 0

    def part(one: LinuxNode) -> bool:
        nonlocal kept
        where = f"/tmp/leitstand/{mine}/image.bin"
        kept = int(one.run(f": leitstand part {where}\nwc -c < {where}.part").stdout)
        return 0 < kept <= most

    linux_node.until_open(part, "what came before the break is kept")
    with linux_node.open() as node:
        node.stage(io.BytesIO(image.body), len(image.body), sha(image), mine, lambda at, _: seen.append(at))
        assert seen[0] > kept
        assert node.staged(mine) is not None
        node.sweep([])


def test_too_little_room_is_refused_before_anything_is_sent(linux_node: LinuxPeer) -> None:
    with linux_node.open() as node:
        size = node.boot().tmp_free_bytes + 1
        with pytest.raises(Refused, match="too little"):
            node.stage(io.BytesIO(b""), size, "0" * 64, op())


def test_the_node_judges_images_itself(linux_node: LinuxPeer) -> None:
    with linux_node.open() as node:
        good = node.test_image(stage(node, linux_node.newer, op()))
        foreign = node.test_image(stage(node, linux_node.foreign, op()))
        tampered = node.test_image(stage(node, linux_node.tampered, op()))
        with pytest.raises(Refused, match="no image"):
            node.test_image("/tmp/nothing.bin")
        node.sweep([])
    assert good.valid
    assert all(good.tests.values())
    assert not foreign.valid
    assert foreign.tests["fwtool_device_match"] is False
    assert not tampered.valid
    assert tampered.tests["fwtool_signature"] is False


def test_the_fence_compares_before_it_lets_go(linux_node: LinuxPeer) -> None:
    before = list(linux_node.flashes())
    with linux_node.open() as node:
        wrong_boot = order(node, linux_node.newer, op(), boot_id="00000000-0000-4000-8000-000000000000")
        wrong_revision = order(node, linux_node.newer, op(), revision="r0-other")
        good = order(node, linux_node.newer, op())
        absent = FlashOrder(op(), good.path + ".gone", good.sha256, good.boot_id, good.revision)
        other_hash = FlashOrder(op(), good.path, "0" * 64, good.boot_id, good.revision)
        foreign = order(node, linux_node.foreign, op())
        assert node.flash(wrong_boot) == "other_boot"
        assert node.flash(wrong_revision) == "other_revision"
        assert node.flash(absent) == "image_missing"
        assert node.flash(other_hash) == "image_missing"
        assert node.flash(foreign) == "refused"
        assert not any(node.fence(one.op_id).held for one in (wrong_boot, wrong_revision, absent, other_hash, foreign))
        node.sweep([])
    assert list(linux_node.flashes()) == before


def test_one_flash_and_only_one_per_operation(linux_node: LinuxPeer) -> None:
    image, mine = linux_node.newer, op()
    with linux_node.open() as node:
        sent = order(node, image, mine)
        first = node.boot()
        assert node.flash(sent) == "sent"
        assert fence_seen(node, sent)
    linux_node.until_open(lambda one: rebooted(one.boot(), first), "the node comes back from its upgrade")
    with linux_node.open() as node:
        assert node.board().revision == image.revision
        assert node.staged(mine) is None
        assert not node.fence(mine).held
        assert node.flash(sent) == "other_boot"
    assert list(linux_node.flashes()).count(mine) == 1


def test_a_node_that_somebody_upgrades_is_upgraded_by_nobody_else(linux_node: LinuxPeer) -> None:
    """Two consoles with stores of their own know nothing of each other's operations; the node does."""
    with linux_node.open() as node:
        sent = order(node, linux_node.newer, op())
        assert node.run(f"mkdir {openwrt_scripts.FLASHING}").exit_status == 0
        assert node.flash(sent) == "fence_held"
        assert not node.fence(sent.op_id).held
        assert node.run(f"rmdir {openwrt_scripts.FLASHING}").exit_status == 0
        assert node.flash(sent) == "sent"


def fence_seen(node: LinuxNode, sent: FlashOrder) -> bool:
    """A second sending meets the fence, or the node is already gone: then its outcome is open, which is `sent`."""
    second = node.flash(sent)
    return second == "fence_held" or second == "sent"


def rebooted(now: BootFacts, before: BootFacts) -> bool:
    return now.boot_id != before.boot_id


def test_a_key_is_added_once_and_taken_away_alone(linux_node: LinuxPeer) -> None:
    mine, other = "ssh-ed25519 AAAAC3NzaMine tina", "ssh-ed25519 AAAAC3NzaOther bert"
    with linux_node.open() as node:
        before = node.run(f"cat {openwrt_keys.FILE}").stdout
        for line in (mine, other, mine):
            openwrt_keys.add_key("node", node, line)
        kept = node.run(f"cat {openwrt_keys.FILE}").stdout.decode().splitlines()
        assert (kept.count(mine), kept.count(other)) == (1, 1)
        openwrt_keys.drop_key("node", node, mine)
        assert mine not in node.run(f"cat {openwrt_keys.FILE}").stdout.decode()
        openwrt_keys.drop_key("node", node, other)
        assert node.run(f"cat {openwrt_keys.FILE}").stdout == before
