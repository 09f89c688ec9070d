"""The commands about the firmware catalogue: keys, roles, images, signatures, bundles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from console import texts
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, site
from console.cli.render import emit, facts, say, table
from console.clock import now_ms
from console.texts import N_, _, ngettext

if TYPE_CHECKING:
    from playbooks.firmware.signing import Progress
    from playbooks.firmware.trust import TrustedImage

PATH: Final = click.Path(path_type=Path)
FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)


def home() -> Path:
    """Where this console keeps what it believes of firmware."""
    return site().directory / "firmware"


def catalogue_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--catalogue: another directory than the store's own."""
    return words.option("--catalogue", type=PATH, help="directory of the catalogue; the store's own without it")(
        command
    )


def place(catalogue: Path | None) -> Path:
    """The catalogue that is meant."""
    return catalogue or home() / "catalogue"


@words.group()
@global_options
def firmware() -> None:
    """Firmware images, and who may release them."""


@firmware.group("keys")
@global_options
def firmware_keys() -> None:
    """Keys that sign the catalogue."""


@firmware_keys.command("new")
@click.argument("file", type=words.NewFile())
@words.option("--name", required=True, help="whose key it is; shown beside every image it signed")
@words.option(
    "--no-passphrase", is_flag=True, help="protected by its mode 0600 alone, for a machine that signs by itself"
)
@json_option
@global_options
def keys_new(file: Path, name: str, no_passphrase: bool, as_json: bool) -> None:
    """Make a key. Example: leitstand firmware keys new anna.key --name anna"""
    from playbooks.firmware.signing import new_key

    passphrase = None
    if not no_passphrase:
        text, again = _("passphrase"), _("once more")
        passphrase = click.prompt(text, hide_input=True, confirmation_prompt=again, err=True).encode()
    made = new_key(file, name, passphrase)
    if as_json:
        emit([{"name": name, "key": str(file), "public_key": f"{file}.pub", "key_id": made.tuf().keyid}])
    say(_("{file} signs and stays with you; {public} is for the others").format(file=file, public=f"{file}.pub"))


@firmware_keys.command("show")
@catalogue_option
@json_option
@global_options
def keys_show(catalogue: Path | None, as_json: bool) -> None:
    """Who may sign what. Example: leitstand firmware keys show"""
    from playbooks.firmware.signing import holders

    rows = [asdict(one) for one in holders(place(catalogue))]
    if as_json:
        emit(rows)
        return
    table(
        [_("ROLE"), _("WANTED"), _("HOLDERS")],
        [[one["role"], str(one["threshold"]), ", ".join(one["names"])] for one in rows],
        right=(1,),
    )


def _roles(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say who holds which role."""
    for role, text in (
        ("timestamp", N_("public key that signs how fresh the catalogue is")),
        ("snapshot", N_("public key that signs which lists belong together")),
        ("targets", N_("public key that releases images; repeat it for each person")),
        ("root", N_("public key that may replace keys; repeat it for each person")),
    ):
        command = words.option(f"--{role}", type=FILE, multiple=True, help=text)(command)
    command = words.option("--root-threshold", type=click.IntRange(1), help="signatures a root wants")(command)
    return words.option("--targets-threshold", type=click.IntRange(1), help="signatures an image wants")(command)


def _holders(given: dict[str, Sequence[Path]]) -> dict[str, list[Any]]:
    from playbooks.firmware.signing import public_key

    return {role: [public_key(path) for path in paths] for role, paths in given.items() if paths}


def _thresholds(root_threshold: int | None, targets_threshold: int | None) -> dict[str, int]:
    given = {"root": root_threshold, "targets": targets_threshold}
    return {role: want for role, want in given.items() if want is not None}


@firmware.command("init")
@_roles
@catalogue_option
@json_option
@global_options
def firmware_init(
    catalogue: Path | None,
    root_threshold: int | None,
    targets_threshold: int | None,
    as_json: bool,
    **roles: Sequence[Path],
) -> None:
    """Begin a catalogue. Example: leitstand firmware init --root anna.key.pub --root bert.key.pub"""
    from playbooks.firmware.signing import begin

    given = _holders(roles)
    for role in ("targets", "snapshot", "timestamp"):
        given.setdefault(role, given.get("root", []))
    begin(place(catalogue), given, _thresholds(root_threshold, targets_threshold), now_ms())
    _say_next(place(catalogue), as_json)


@firmware.command("appoint")
@_roles
@catalogue_option
@json_option
@global_options
def firmware_appoint(
    catalogue: Path | None,
    root_threshold: int | None,
    targets_threshold: int | None,
    as_json: bool,
    **roles: Sequence[Path],
) -> None:
    """Give roles to other keys. Example: leitstand firmware appoint --targets anna.key.pub --targets eva.key.pub"""
    from playbooks.firmware.signing import appoint

    appoint(place(catalogue), _holders(roles), _thresholds(root_threshold, targets_threshold), now_ms())
    _say_next(place(catalogue), as_json)


@firmware.command("add")
@click.argument("image", type=FILE)
@words.option("--version", required=True, help="the version a node shows once it runs the image")
@words.option("--revision", required=True, help="the revision a node shows once it runs the image")
@words.option("--board", multiple=True, required=True, help="board name it is for; repeat it for each")
@words.option("--compat-version", default="1.0", show_default=True, help="compatibility version of the image")
@words.option("--min-version", default="", help="oldest version that may go to it directly")
@catalogue_option
@json_option
@global_options
def firmware_add(
    image: Path,
    version: str,
    revision: str,
    board: tuple[str, ...],
    compat_version: str,
    min_version: str,
    catalogue: Path | None,
    as_json: bool,
) -> None:
    """Propose an image. Example: leitstand firmware add a.bin --version 24.10.2 --revision r28739 --board acme,ap5"""
    from playbooks.firmware.signing import ImageFacts, add

    sha256 = add(place(catalogue), image, ImageFacts(version, revision, board, compat_version, min_version), now_ms())
    if not as_json:
        say(_("{name} is on the shelf, sha256 {sha256}").format(name=image.name, sha256=sha256))
    _say_next(place(catalogue), as_json, name=image.name, sha256=sha256)


@firmware.command("withdraw")
@click.argument("name")
@catalogue_option
@json_option
@global_options
def firmware_withdraw(name: str, catalogue: Path | None, as_json: bool) -> None:
    """Propose to take an image back. Example: leitstand firmware withdraw mesh.bin"""
    from playbooks.firmware.signing import withdraw

    withdraw(place(catalogue), name, now_ms())
    _say_next(place(catalogue), as_json, name=name)


@firmware.command("sign")
@words.option("--key", type=FILE, required=True, help="your private key")
@words.option("--renew", is_flag=True, help="sign the same list of images again, so that it holds for longer")
@catalogue_option
@json_option
@global_options
def firmware_sign(key: Path, renew: bool, catalogue: Path | None, as_json: bool) -> None:
    """Sign what waits for your key. Example: leitstand firmware sign --key anna.key"""
    from playbooks.firmware import signing

    shown = signing.standing(place(catalogue))
    if not as_json:
        _print(shown)
    passphrase = (
        click.prompt(_("passphrase"), hide_input=True, err=True).encode() if signing.is_encrypted(key) else None
    )
    signer = signing.load_key(key, passphrase)
    if renew:
        signing.renew(place(catalogue), now_ms())
    done = signing.sign(place(catalogue), signer, now_ms())
    if as_json:
        emit(asdict(one) for one in done)
    else:
        _print(done)


@firmware.command("trust")
@click.argument("root", type=FILE)
@words.option("--fingerprint", help="SHA-256 of the file, from somebody you know; without it you are asked")
@json_option
@global_options
def firmware_trust(root: Path, fingerprint: str | None, as_json: bool) -> int:
    """Trust a catalogue from now on. Example: leitstand firmware trust 1.root.json"""
    from playbooks.firmware import trust

    content = root.read_bytes()
    found = trust.fingerprint(content)
    if fingerprint is not None and fingerprint.lower() != found:
        say(_("{file} has the fingerprint {found}, not {wanted}: nothing is trusted").format(
            file=root, found=found, wanted=fingerprint))  # fmt: skip
        return FINDINGS
    if fingerprint is None:
        say(_("fingerprint of {file}: {found}").format(file=root, found=found))
        click.confirm(_("Did somebody you know tell you this fingerprint?"), abort=True, err=True)
    trust.anchor(home(), content)
    if as_json:
        emit([{"root": str(root), "fingerprint": found}])
    else:
        say(_("{file} is trusted from now on").format(file=root))
    return 0


@firmware.command("verify")
@catalogue_option
@json_option
@global_options
def firmware_verify(catalogue: Path | None, as_json: bool) -> None:
    """Check the catalogue and every image in it. Example: leitstand firmware verify"""
    from playbooks.firmware import trust

    images = trust.refresh(home(), place(catalogue))
    for image in images:
        trust.fetch(home(), place(catalogue), image.name)
    if as_json:
        emit([{"images": len(images), "expires_ms": min((one.expires_ms for one in images), default=None)}])
        return
    text = ngettext("{n} image is signed and whole", "{n} images are signed and whole", len(images))
    say(text.format(n=texts.number(len(images))))


@firmware.command("list")
@catalogue_option
@json_option
@global_options
def firmware_list(catalogue: Path | None, as_json: bool) -> None:
    """The trusted images, the newest last. Example: leitstand firmware list --json"""
    from playbooks.firmware import trust

    images = trust.refresh(home(), place(catalogue))
    if as_json:
        emit(map(outside, images))
        return
    if not images:
        say(_("no image is listed yet: `leitstand firmware add` proposes one, its holders sign it"))
        return
    head = ["VERSION", "REVISION", "BOARDS", _("SIZE"), _("SIGNED BY"), _("HOLDS UNTIL"), "SHA256"]
    table(head, [_cells(image) for image in images], right=(3,))


def outside(image: TrustedImage) -> dict[str, Any]:
    """An image as JSON shows it: one board as a text, several as a list under `boards`."""
    found = asdict(image)
    return found | {"board": image.boards[0], "boards": list(image.boards), "signed_by": list(image.signed_by)}


def _cells(image: TrustedImage) -> list[str]:
    return [
        image.version,
        image.revision,
        " ".join(image.boards),
        texts.size(image.size),
        ", ".join(image.signed_by),
        texts.moment(image.expires_ms),
        image.sha256[:16],
    ]


@firmware.command("bundle")
@click.argument("file", type=words.NewFile())
@catalogue_option
@json_option
@global_options
def firmware_bundle(file: Path, catalogue: Path | None, as_json: bool) -> None:
    """Write the catalogue into one file. Example: leitstand firmware bundle firmware.tar"""
    from playbooks.firmware import trust

    count, size = trust.bundle(place(catalogue), file), file.stat().st_size
    if as_json:
        emit([{"file": str(file), "files": count, "size_bytes": size}])
        return
    say(ngettext("{n} file, {size}", "{n} files, {size}", count).format(n=texts.number(count), size=texts.size(size)))


@firmware.command("import")
@click.argument("file", type=FILE)
@catalogue_option
@json_option
@global_options
def firmware_import(file: Path, catalogue: Path | None, as_json: bool) -> None:
    """Take a bundle, if it is signed and whole. Example: leitstand firmware import firmware.tar"""
    from playbooks.firmware import trust

    images = trust.unbundle(home(), file, place(catalogue), whole=True)
    if as_json:
        emit(map(outside, images))
        return
    text = ngettext("{n} image is signed and whole", "{n} images are signed and whole", len(images))
    say(text.format(n=texts.number(len(images))))


def _say_next(catalogue: Path, as_json: bool, **about: str) -> None:
    """What was proposed (`about`), and whose signatures it waits for."""
    from playbooks.firmware.signing import standing

    found = standing(catalogue)
    if as_json:
        waits = [{"role": one.role, "version": one.version, "have": one.have, "want": one.want} for one in found]
        emit([{**about, "waiting": waits}])
        return
    waiting = ", ".join(f"{one.role} ({one.have}/{one.want})" for one in found)
    say(_("waits for signatures: {roles}; each holder signs with `leitstand firmware sign`").format(roles=waiting))


def _print(progress: Sequence[Progress]) -> None:
    facts(
        [
            (
                f"{one.role} {one.version}",
                _("published")
                if one.published
                else _("{have} of {want} signatures").format(have=one.have, want=one.want),
            )
            for one in progress
        ]
    )
