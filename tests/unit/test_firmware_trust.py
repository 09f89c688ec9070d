"""What the console refuses to believe of a firmware catalogue, and what two people have to sign."""

from __future__ import annotations

import json
import shutil
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from console.clock import now_ms
from playbooks.firmware import signing, trust
from playbooks.firmware.signing import ImageFacts, NotSigned, PublicKey
from playbooks.firmware.trust import Untrusted

DAY_MS = 86_400_000


@dataclass
class Office:
    """A publisher with two people for root and targets, and one online key."""

    place: Path
    keys: dict[str, PublicKey]

    @property
    def catalogue(self) -> Path:
        return self.place / "catalogue"

    @property
    def home(self) -> Path:
        return self.place / "home"

    def sign(self, *names: str, at_ms: int | None = None) -> None:
        for name in names:
            signer = signing.load_key(self.place / name, None)
            signing.sign(self.catalogue, signer, at_ms or now_ms())

    def add(self, version: str, *, board: str = "acme,mesh-5", content: bytes = b"", sign: bool = True) -> Path:
        image = self.place / f"mesh-{version}.bin"
        image.write_bytes(content or f"image {version}".encode() * 100)
        facts = ImageFacts(version, f"r{version}", (board,))
        signing.add(self.catalogue, image, facts, now_ms())
        if sign:
            self.sign("anna", "bert", "online")
        return image

    def trust(self) -> None:
        trust.anchor(self.home, (self.catalogue / "metadata" / "1.root.json").read_bytes())


@pytest.fixture
def office(tmp_path: Path) -> Office:
    keys = {name: signing.new_key(tmp_path / name, name, None) for name in ("anna", "bert", "online", "eve")}
    made = Office(tmp_path, keys)
    two, online = [keys["anna"], keys["bert"]], [keys["online"]]
    roles = {"root": two, "targets": two, "snapshot": online, "timestamp": online}
    signing.begin(made.catalogue, roles, {"root": 2, "targets": 2}, now_ms())
    made.sign("anna", "bert", "online")
    made.trust()
    return made


def test_an_image_is_listed_once_two_people_signed_it(office: Office) -> None:
    image = office.add("24.10.1", sign=False)
    office.sign("anna", "online")
    assert trust.refresh(office.home, office.catalogue) == []
    assert [(one.role, one.have, one.want) for one in signing.standing(office.catalogue)] == [("targets", 1, 2)]
    office.sign("bert", "online")
    (found,) = trust.refresh(office.home, office.catalogue)
    assert (found.version, found.boards, found.signed_by) == ("24.10.1", ("acme,mesh-5",), ("anna", "bert"))
    path = trust.fetch(office.home, office.catalogue, found.name)
    assert path.read_bytes() == image.read_bytes()
    assert trust.verified(path, found.sha256, found.size)


def test_the_newest_stands_last_and_a_withdrawn_one_is_gone(office: Office) -> None:
    for version in ("24.10.1", "24.10.2"):
        office.add(version)
    assert [one.version for one in trust.refresh(office.home, office.catalogue)] == ["24.10.1", "24.10.2"]
    signing.withdraw(office.catalogue, "mesh-24.10.2.bin", now_ms())
    office.sign("anna", "bert", "online")
    assert [one.version for one in trust.refresh(office.home, office.catalogue)] == ["24.10.1"]
    with pytest.raises(Untrusted, match="not in the signed catalogue"):
        trust.fetch(office.home, office.catalogue, "mesh-24.10.2.bin")


def test_tampered_bytes_are_refused_and_no_file_is_left(office: Office) -> None:
    office.add("24.10.1")
    (shelved,) = (office.catalogue / "targets").iterdir()
    shelved.write_bytes(shelved.read_bytes()[:-1] + b"!")
    with pytest.raises(Untrusted, match="not what the signed catalogue describes"):
        trust.fetch(office.home, office.catalogue, "mesh-24.10.1.bin")
    assert not list((office.home / "images").iterdir())


def test_a_verified_copy_that_changes_afterwards_is_noticed(office: Office) -> None:
    office.add("24.10.1")
    (image,) = trust.refresh(office.home, office.catalogue)
    path = trust.fetch(office.home, office.catalogue, image.name)
    path.write_bytes(b"x" * image.size)
    assert not trust.verified(path, image.sha256, image.size)
    again = trust.fetch(office.home, office.catalogue, image.name)
    assert trust.verified(again, image.sha256, image.size)


def test_changed_metadata_is_refused(office: Office) -> None:
    office.add("24.10.1")
    path = office.catalogue / "metadata" / "2.targets.json"
    told = json.loads(path.read_text())
    told["signed"]["targets"]["mesh-24.10.1.bin"]["custom"]["boards"] = ["other,board"]
    path.write_text(json.dumps(told))
    with pytest.raises(Untrusted, match="cannot be trusted"):
        trust.refresh(office.home, office.catalogue)


def test_an_older_catalogue_is_refused_after_a_newer_one(office: Office) -> None:
    office.add("24.10.1")
    shutil.copytree(office.catalogue, office.place / "older")
    office.add("24.10.2")
    trust.refresh(office.home, office.catalogue)
    with pytest.raises(Untrusted, match="cannot be trusted"):
        trust.refresh(office.home, office.place / "older")


def test_an_expired_catalogue_is_refused_until_it_is_signed_anew(office: Office) -> None:
    office.add("24.10.1", sign=False)
    office.sign("anna", "bert", "online", at_ms=now_ms() - 31 * DAY_MS)
    with pytest.raises(Untrusted, match="out of date"):
        trust.refresh(office.home, office.catalogue)
    office.sign("online")
    assert len(trust.refresh(office.home, office.catalogue)) == 1


def test_a_stranger_signs_nothing(office: Office) -> None:
    office.add("24.10.1", sign=False)
    with pytest.raises(NotSigned, match="holds no role"):
        office.sign("eve")


def test_another_catalogue_is_not_taken_for_ours(office: Office, tmp_path: Path) -> None:
    eve = [office.keys["eve"]]
    forged = tmp_path / "forged"
    signing.begin(forged, dict.fromkeys(signing.ROLES, eve), {}, now_ms())
    signing.sign(forged, signing.load_key(tmp_path / "eve", None), now_ms())
    with pytest.raises(Untrusted, match="cannot be trusted"):
        trust.refresh(office.home, forged)
    with pytest.raises(Untrusted, match="already trusts another root"):
        trust.anchor(office.home, (forged / "metadata" / "1.root.json").read_bytes())


def test_a_root_nobody_signed_is_no_anchor(office: Office, tmp_path: Path) -> None:
    told = json.loads((office.catalogue / "metadata" / "1.root.json").read_text())
    told["signatures"] = told["signatures"][:1]
    with pytest.raises(Untrusted, match="no root of a firmware catalogue"):
        trust.anchor(tmp_path / "elsewhere", json.dumps(told).encode())


def test_a_new_root_needs_the_old_and_the_new_holders(office: Office) -> None:
    office.add("24.10.1")
    two = [office.keys["anna"], office.keys["eve"]]
    signing.appoint(office.catalogue, {"root": two, "targets": two}, {"root": 2, "targets": 2}, now_ms())
    office.sign("anna", "eve")
    assert not (office.catalogue / "metadata" / "2.root.json").exists()
    office.sign("bert")
    assert (office.catalogue / "metadata" / "2.root.json").exists()
    # Under the new root the list has one valid signature only: it is staged anew by itself.
    assert [(one.role, one.have, one.want) for one in signing.standing(office.catalogue)] == [("targets", 0, 2)]
    office.sign("anna", "eve", "online")
    (found,) = trust.refresh(office.home, office.catalogue)
    assert found.signed_by == ("anna", "eve")


def test_another_online_key_makes_the_catalogue_wait_for_its_signature(office: Office) -> None:
    office.add("24.10.1")
    eve = [office.keys["eve"]]
    signing.appoint(office.catalogue, {"snapshot": eve, "timestamp": eve}, {}, now_ms())
    office.sign("anna", "bert")
    assert [one.role for one in signing.standing(office.catalogue)] == ["snapshot", "timestamp"]
    office.sign("eve")
    assert len(trust.refresh(office.home, office.catalogue)) == 1


def test_fewer_signatures_can_be_wanted_of_the_same_holders(office: Office) -> None:
    with pytest.raises(NotSigned, match="targets wants 3 signatures and has 2"):
        signing.appoint(office.catalogue, {}, {"targets": 3}, now_ms())
    signing.appoint(office.catalogue, {}, {"targets": 1}, now_ms())
    office.sign("anna", "bert")
    wanted = {one.role: one.threshold for one in signing.holders(office.catalogue)}
    assert wanted == {"root": 2, "targets": 1, "snapshot": 1, "timestamp": 1}


def test_a_bundle_carries_the_catalogue_to_a_laptop(office: Office, tmp_path: Path) -> None:
    office.add("24.10.1")
    file = tmp_path / "firmware.tar"
    trust.bundle(office.catalogue, file)
    laptop = tmp_path / "laptop"
    trust.anchor(laptop, (office.catalogue / "metadata" / "1.root.json").read_bytes())
    (image,) = trust.unbundle(laptop, file, laptop / "catalogue")
    assert trust.refresh(laptop, laptop / "catalogue") == [image]


def test_a_bundle_may_carry_some_images_but_none_that_is_not_listed(office: Office, tmp_path: Path) -> None:
    for version in ("24.10.1", "24.10.2"):
        office.add(version)
    first, second = trust.refresh(office.home, office.catalogue)
    trust.bundle(office.catalogue, tmp_path / "part.tar", {second.sha256})
    laptop = tmp_path / "laptop"
    trust.anchor(laptop, (office.catalogue / "metadata" / "1.root.json").read_bytes())
    trust.unbundle(laptop, tmp_path / "part.tar", laptop / "catalogue")
    assert trust.fetch(laptop, laptop / "catalogue", second.name).exists()
    with pytest.raises(Untrusted):
        trust.fetch(laptop, laptop / "catalogue", first.name)
    (office.catalogue / "targets" / "00.foreign.bin").write_bytes(b"x")
    trust.bundle(office.catalogue, tmp_path / "evil.tar")
    with pytest.raises(Untrusted, match=r"00\.foreign\.bin"):
        trust.unbundle(laptop, tmp_path / "evil.tar", laptop / "catalogue")


@pytest.mark.parametrize("name", ["../escape", "targets/../../escape", "targets/a/b", "/targets/x", "other/x"])
def test_a_bundle_that_reaches_elsewhere_is_refused(office: Office, tmp_path: Path, name: str) -> None:
    file = tmp_path / "evil.tar"
    with tarfile.open(file, "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(Untrusted, match="no firmware bundle holds"):
        trust.unbundle(office.home, file, office.home / "catalogue")
    assert not (tmp_path / "escape").exists()


def test_a_bundle_with_a_changed_image_changes_nothing(office: Office, tmp_path: Path) -> None:
    office.add("24.10.1")
    copy = tmp_path / "copy"
    shutil.copytree(office.catalogue, copy)
    (shelved,) = (copy / "targets").iterdir()
    shelved.write_bytes(b"x" * shelved.stat().st_size)
    file = tmp_path / "evil.tar"
    trust.bundle(copy, file)
    before = sorted(office.catalogue.rglob("*"))
    with pytest.raises(Untrusted):
        trust.unbundle(office.home, file, office.catalogue)
    assert sorted(office.catalogue.rglob("*")) == before
    assert len(trust.refresh(office.home, office.catalogue)) == 1


def test_a_bundle_that_is_cut_off_anywhere_changes_nothing(office: Office, tmp_path: Path) -> None:
    office.add("24.10.1")
    trust.bundle(office.catalogue, file := tmp_path / "whole.tar")
    content = file.read_bytes()
    with tarfile.open(file) as tar:
        starts = [member.offset for member in tar]
    laptop = tmp_path / "laptop"
    trust.anchor(laptop, (office.catalogue / "metadata" / "1.root.json").read_bytes())
    for cut in (1, *starts, starts[-1] + 100, starts[-1] + 600):
        (tmp_path / "cut.tar").write_bytes(content[:cut])
        with pytest.raises(Untrusted, match=r"cut\.tar"):
            trust.unbundle(laptop, tmp_path / "cut.tar", laptop / "catalogue")
        assert not (laptop / "catalogue").exists()


def test_a_bundle_without_an_image_is_told_where_all_are_wanted(office: Office, tmp_path: Path) -> None:
    for version in ("24.10.1", "24.10.2"):
        office.add(version)
    first, second = trust.refresh(office.home, office.catalogue)
    laptop = tmp_path / "laptop"
    trust.anchor(laptop, (office.catalogue / "metadata" / "1.root.json").read_bytes())
    trust.bundle(office.catalogue, tmp_path / "part.tar", {second.sha256})
    with pytest.raises(Untrusted, match=f"lacks {first.name}"):
        trust.unbundle(laptop, tmp_path / "part.tar", laptop / "catalogue", whole=True)
    assert not (laptop / "catalogue").exists()
    trust.bundle(office.catalogue, tmp_path / "all.tar")
    trust.unbundle(laptop, tmp_path / "all.tar", laptop / "catalogue", whole=True)
    trust.unbundle(laptop, tmp_path / "part.tar", laptop / "catalogue", whole=True)


def test_a_key_is_private_encrypted_and_never_replaced(tmp_path: Path) -> None:
    signing.new_key(tmp_path / "key", "anna", b"long enough")
    assert signing.is_encrypted(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(NotSigned, match="cannot be opened"):
        signing.load_key(tmp_path / "key", b"wrong")
    with pytest.raises(NotSigned, match="never replaced"):
        signing.new_key(tmp_path / "key", "anna", None)
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(NotSigned, match="0600"):
        signing.load_key(tmp_path / "key", b"long enough")


def test_the_same_name_with_other_bytes_is_refused(office: Office) -> None:
    office.add("24.10.1")
    with pytest.raises(NotSigned, match="other bytes"):
        office.add("24.10.1", content=b"other")


def test_many_who_look_at_once_all_get_the_image(office: Office) -> None:
    """A batch is let go together, and each of its nodes has the image verified once more."""
    image = office.add("24.10.1")
    with ThreadPoolExecutor(8) as pool:
        listed = list(pool.map(lambda _: trust.refresh(office.home, office.catalogue), range(200)))
        files = list(pool.map(lambda _: trust.fetch(office.home, office.catalogue, image.name), range(50)))
    assert {len(one) for one in listed} == {1}
    assert {file.read_bytes() for file in files} == {image.read_bytes()}


def test_a_place_that_cannot_be_written_is_told_with_its_name(office: Office) -> None:
    office.add("24.10.1")
    shutil.rmtree(office.home / "believed", ignore_errors=True)
    (office.home / "believed").mkdir()
    (office.home / "believed" / "root_history").write_text("in the way")
    with pytest.raises(Untrusted, match="believed"):
        trust.refresh(office.home, office.catalogue)


def test_whoever_looks_while_a_bundle_is_taken_sees_the_old_or_the_new_catalogue(
    office: Office, tmp_path: Path
) -> None:
    laptop = tmp_path / "laptop"
    trust.anchor(laptop, (office.catalogue / "metadata" / "1.root.json").read_bytes())
    bundles = []
    for version in ("24.10.1", "24.10.2", "24.10.3"):
        office.add(version, content=version.encode() * 200_000)
        trust.bundle(office.catalogue, bundle := tmp_path / f"{version}.tar")
        bundles.append(bundle)
    trust.unbundle(laptop, bundles[0], laptop / "catalogue")
    over = threading.Event()

    def look() -> set[int]:
        seen = set()
        while not over.is_set():
            seen.add(len(trust.refresh(laptop, laptop / "catalogue")))
        return seen

    with ThreadPoolExecutor(2) as pool:
        watching = [pool.submit(look) for _ in range(2)]
        try:
            for bundle in bundles[1:]:
                trust.unbundle(laptop, bundle, laptop / "catalogue")
        finally:
            over.set()
        assert set().union(*(one.result() for one in watching)) <= {1, 2, 3}
    assert len(trust.refresh(laptop, laptop / "catalogue")) == 3


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_a_staged_list_that_cannot_be_read_is_named(office: Office, role: str) -> None:
    office.add("24.10.1", sign=False)
    (office.catalogue / "staged" / f"{role}.json").write_text("{")
    with pytest.raises(NotSigned, match=rf"{role}\.json cannot be read"):
        office.sign("anna", "bert", "online")


@pytest.mark.parametrize(
    "facts",
    [
        ImageFacts("24.10.1", "r1", (" ",)),
        ImageFacts(" ", "r1", ("acme",)),
        ImageFacts("24.10.1", "r1", ("acme",), compat_version="new"),
        ImageFacts("24.10.1", "r1", ("acme",), min_version="any"),
    ],
)
def test_facts_that_no_node_can_have_are_not_staged(office: Office, facts: ImageFacts) -> None:
    (office.place / "image.bin").write_bytes(b"image")
    with pytest.raises(NotSigned, match=r"needs a version|is no "):
        signing.add(office.catalogue, office.place / "image.bin", facts, now_ms())
    assert signing.standing(office.catalogue) == []


def test_images_added_at_the_same_moment_are_all_staged(office: Office) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda at: office.add(f"24.10.{at}", sign=False), range(6)))
    office.sign("anna", "bert", "online")
    assert len(trust.refresh(office.home, office.catalogue)) == 6
