"""What was destroyed must not live on in what proves it: no name, path or value of a target stands anywhere then."""

from __future__ import annotations

import base64
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from urllib.parse import quote

import pytest

from certificates.render.html import render_html
from certificates.render.page import page_of
from certificates.render.text import render_text
from certificates.render.words import Language
from certificates.statements import Carrier, Selector
from tests.support.bench import full_of_needles, luks_format
from tests.support.ext4_image import run as command
from tests.support.kept_disk import KeptDisk, kept_disk
from tests.support.kills import Watch
from tests.support.leaks import coats, found_in, leaks
from tests.support.real_registry import RealRegistry, site_with_registry
from tests.support.real_site import (
    Charge,
    RealSite,
    database_carrier,
    ended,
    files_carrier,
    image_carrier,
    luks_carrier,
)

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

PLACE = "Gehälter-und-Abfindungen"
"""A folder above every target."""
MIB = 1 << 20
CONTENT = b"CONTENT-that-was-private-4711"
Target = tuple[Carrier, Selector]
Made = tuple[Target, tuple[bytes, ...]]


def tree(folder: Path) -> Made:
    """Names in many scripts, with spaces, a line feed, quotes, and bytes that are no text at all."""
    names = [
        "Müller, Kündigung.txt",
        "王小明 的工资单.xlsx",
        "two\nlines-of-name",
        "quo\"te'd <b>name & more",
        "привет-мир",
    ]
    words = [name.encode() for name in names] + [b"not-utf8-\xff\xfe-name"]
    for number, name in enumerate(words):
        deep = os.path.join(os.fsencode(folder / "Betriebsrat-2019"), b"layer-%d-of-folders" % number)
        os.makedirs(deep)
        with open(os.path.join(deep, name), "wb") as file:
            file.write(CONTENT * (number * 3000))
    (folder / "Betriebsrat-2019" / "verweis-auf-etwas").symlink_to("Müller-anderswo-abgelegt")
    parts = (b"Betriebsrat-2019", b"layer-3-of-folders", b"verweis-auf-etwas", b"anderswo-abgelegt")
    return files_carrier(folder, "Betriebsrat-2019"), (*words, *parts)


def image(folder: Path) -> Made:
    """An image file in place."""
    path = folder / "Sicherung-Vorstandslaufwerk.img"
    path.write_bytes(full_of_needles(MIB))
    return image_carrier(path), (b"Sicherung-Vorstandslaufwerk", b"NEEDLE-000123")


def container(folder: Path) -> Made:
    """A LUKS container with header backups."""
    path, backup = folder / "Tresor-Geschäftsführung.luks", folder / "Kopfsicherung-Nr-1.bin"
    path.touch()
    os.truncate(path, 17 * MIB)
    luks_format(path, "5f0e6c1a-7b8d-4c3e-9a2f-1d4b6e8c0a58", passphrase="Passphrase-of-the-board")
    command("cryptsetup", "luksHeaderBackup", path, "--header-backup-file", backup)
    words = ("Tresor-Geschäftsführung".encode(), b"Kopfsicherung-Nr-1", b"Passphrase-of-the-board")
    return luks_carrier(path, backup, technique="luks2-header-and-payload"), words


def database(folder: Path) -> Made:
    """A database whose tables, columns and rows all say something."""
    path = folder / "Patientenakten.sqlite"
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE befunde_onkologie (diagnose_klartext TEXT)")
        made.executemany(
            "INSERT INTO befunde_onkologie VALUES (?)", [(f"Befund-für-Frau-Yılmaz-{n}",) for n in range(90)]
        )
        made.commit()
    words = ("Befund-für-Frau-Yılmaz-7", "Patientenakten", "befunde_onkologie", "diagnose_klartext")
    return database_carrier(path), tuple(word.encode() for word in words)


MAKES: list[Callable[[Path], Made]] = [tree, image, container, database]


@dataclass
class Desk:
    """A site with its registry, and a disk to put targets on."""

    folder: Path
    site: RealSite
    registry: RealRegistry
    disk: KeptDisk

    def order(self, make: Callable[[Path], Made]) -> tuple[Charge, tuple[bytes, ...]]:
        """An order for what was made, and the words that must not be found afterwards."""
        place = self.disk.root / PLACE
        place.mkdir()
        target, words = make(place)
        self.disk.sync()
        return self.site.charge(target), (*words, PLACE.encode(), CONTENT, *keys_of(target[1]))

    def kept(self) -> tuple[Path, ...]:
        """Everything but what the requester wrote himself: the order's desk, with the selector beside it."""
        own = (path for path in self.site.folder.iterdir() if path.name != "desk")
        return (*(path for path in own if path.is_dir()), self.registry.data.path, self.folder / "exported")

    def export(self) -> None:
        """The certificate in every human form, in both languages."""
        (self.folder / "exported").mkdir()
        page = page_of(self.site.entries())
        languages: tuple[Language, ...] = ("en", "zh")
        forms = {"page.html": render_html(page, languages)}
        forms |= {f"page-{language}.txt": render_text(page, language, UTC) for language in languages}
        for name, text in forms.items():
            (self.folder / "exported" / name).write_text(text, encoding="utf-8")


def keys_of(selector: Selector) -> tuple[bytes, ...]:
    """What opens the labels and the commitment."""
    return (bytes.fromhex(selector.salt), bytes.fromhex(selector.selects.label_key))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    site, registry = site_with_registry(tmp_path)
    try:
        with kept_disk(tmp_path, size=96 << 20) as disk:
            site.configure(registry.serve())
            yield Desk(tmp_path, site, registry, disk)
    finally:
        registry.stop()


@pytest.mark.parametrize("make", [tree, container], ids=lambda make: make.__name__)
def test_no_name_or_value_outlives_a_run(desk: Desk, make: Callable[[Path], Made]) -> None:
    """Bundle, journal, ledger, run's folder, registry and every human form of the certificate, in any encoding."""
    charge, words = desk.order(make)
    done = desk.site.run(charge)
    assert done.returncode == 0, done.stdout
    desk.export()
    assert leaks(words, *desk.kept()) == {}
    assert found_in(done.stdout.encode(), words) == []


@pytest.mark.parametrize("make", MAKES, ids=lambda make: make.__name__)
def test_while_a_run_rests_only_private_files_know_the_names(desk: Desk, make: Callable[[Path], Made]) -> None:
    """What a resume needs lies in files for root alone, which the end of the run destroys."""
    charge, words = desk.order(make)
    watch = Watch(desk.site)
    assert ended(desk.site.start_run(charge, moment="entry-6")).returncode == -signal.SIGKILL
    assert watch.is_begun
    assert not watch.is_ended
    holding = {Path(name) for name in leaks(words, *desk.kept())}
    lists = {"*.streams"} if make in (tree, database) else set()
    assert {f"*{path.suffix}" if path.suffix == ".streams" else path.name for path in holding} == {
        "selector.json",
        "where.json",
        *lists,
    }
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in holding)
    resumed = desk.site.resume()
    assert resumed.returncode == 0, resumed.stdout
    desk.export()
    assert leaks(words, *desk.kept()) == {}


def test_an_order_that_discloses_names_shows_them_in_its_bundle_alone(desk: Desk) -> None:
    """Then its approvers wanted them there; and the search above is seen to open bundles."""
    charge, words = desk.order(disclosed)
    assert desk.site.run(charge).returncode == 0
    found = {path.name for path in map(Path, leaks(words, *desk.kept()))}
    assert found == {"disclosed-selector.json", "C-1.expunge", "selector.json"}


def disclosed(folder: Path) -> Made:
    """An image whose path may be told."""
    (carrier, selector), words = image(folder)
    return (replace(carrier, disclosure="names"), selector), words


def test_a_refused_run_leaves_no_names_either(desk: Desk) -> None:
    """A refusal is journaled; what stood in the way is told to the operator alone."""
    charge, words = desk.order(image)
    with (desk.disk.root / PLACE / "Sicherung-Vorstandslaufwerk.img").open("r+b"):
        refused = desk.site.run(charge)
    assert refused.returncode == 3, refused.stdout
    (desk.folder / "exported").mkdir()
    assert leaks(words, *desk.kept()) == {}


WORD = "Müller, Kündigung.txt".encode()


@pytest.mark.parametrize(
    "data",
    [
        b"..." + WORD + b"...",
        base64.b64encode(b"a" + WORD + b"bc"),
        base64.b64encode(b"ab" + WORD + b"c"),
        base64.urlsafe_b64encode(b"abc" + WORD),
        WORD.hex().encode(),
        quote(WORD).encode(),
        WORD.decode().encode("utf-16"),
        b'"M\\u00fcller, K\\u00fcndigung.txt"',
    ],
)
def test_the_search_finds_a_leak_in_every_coat(tmp_path: Path, data: bytes) -> None:
    """Otherwise its silence would mean nothing."""
    (tmp_path / "leak").write_bytes(data)
    assert leaks([WORD], tmp_path)
    (tmp_path / "leak").write_bytes(b"nothing of the kind")
    assert not leaks([WORD], tmp_path)


def test_no_coat_is_so_short_that_chance_would_wear_it() -> None:
    """A search that cries wolf is soon switched off."""
    assert min(len(coat) for _, coat in coats(b"anderswo-abgelegt")) >= 16
