"""What is done with files beside overwriting them: samples, names in directories and journal, free space, the hunt."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from certificates.statements import Carrier, Check, FillRecord, NamesRecord, StepRecord
from wipers.acts import Act, FillFree, Given, Halted, Hunt, Sample, ScrubNames
from wipers.linux.barriers import checkpoint, sync_file_system
from wipers.linux.beneath import open_beneath
from wipers.linux.crowding import crowded, keeps_parents
from wipers.linux.direct import Storage
from wipers.linux.directories import scrub
from wipers.linux.filesystems import NO_JOURNAL, FileSystem, open_raw
from wipers.linux.freespace import fill_free
from wipers.linux.journals import journal_of
from wipers.linux.streams import READING, Streams, open_stream
from wipers.linux.trees import AS_FOLDER
from wipers.linux.unwritten import has_unwritten
from wipers.linux.wrapping import Wrapped, wrap
from wipers.needles import is_telling
from wipers.verdicts import EXT

if TYPE_CHECKING:
    from wipers.linux.extents import StorageBelow
    from wipers.linux.machine import Machine
    from wipers.linux.needlebox import NeedleBox
    from wipers.linux.release import Scrub
    from wipers.linux.runstate import Begun
    from wipers.needles import Needle

LOOKED_OVER = frozenset({"xfs"})
"""File systems of whose directories nobody sees whether names are left in them: there the whole storage is searched for
every name that went. (On btrfs it would be in vain: older leaves of its trees keep them.)"""
MOST_PLACES = 100_000
"""Files up to which a find is told apart by whether it lies in blocks that they had: a list of them lies in memory."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a carrier's order wants of its files besides their contents' end."""

    names: bool = False
    """Names are to be gone too."""
    label_key: bytes = b""
    """Key of the labels in evidence."""
    box: NeedleBox | None = None
    """Where samples are kept meanwhile; none where nothing is sampled by whoever holds the files."""


def wishes_of(carrier: Carrier, label_key: str, machine: Machine) -> Wishes:
    """Return what the carrier's order wants."""
    from wipers.linux.needlebox import box_of

    return Wishes("names" in carrier.destroy, bytes.fromhex(label_key), box_of(carrier, machine))


class FileActs:
    """The acts on the files of one run, and on the file system that they lie on."""

    def __init__(
        self, root: int, found: FileSystem, storage: StorageBelow | None, machine: Machine, wishes: Wishes
    ) -> None:
        """Do nothing yet."""
        self._root = root
        self._found = found
        self._storage = storage
        self._machine = machine
        self._wishes = wishes
        self._is_given_back = False

    def note_given_back(self) -> None:
        """Every ordered file was emptied, and its names are gone: others may have its blocks from now on."""
        self._is_given_back = True

    def do(self, step: Act, given: Given, begun: Begun, streams: Streams) -> StepRecord | Check:
        """Do the step; raises OSError, MediumError, Lost, Halted, and TypeError for a step of other kinds."""
        match step:
            case Sample():
                return self._sample(step, given, streams)
            case ScrubNames():
                return self._scrub_names(given, begun)
            case FillFree():
                return self._fill_free(given)
            case Hunt():
                return self._hunt(given, streams)
        raise TypeError(f"{step.kind} is not done on files")

    @contextmanager
    def scrubbing(self, note: Callable[[], None]) -> Iterator[Scrub | None]:
        """Give what fills the gaps of a directory before it goes, where names are to be gone."""
        from wipers.linux.release import Scrub

        if not self._wishes.names:
            yield None
            return
        with self._filler() as fill:
            yield Scrub(fill, self._is_settled, note)

    def _is_settled(self) -> bool:
        sync_file_system(self._root)
        return checkpoint(self._root) or self._found.data_mode == NO_JOURNAL

    @contextmanager
    def _filler(self) -> Iterator[Callable[[int], bool]]:
        """Give what fills a directory's gaps, and says that they are not filled where that cannot be seen."""
        raw = self._opened_raw() if self._found.kind in EXT else None
        if raw is None:
            yield lambda _: False
            return
        try:
            yield lambda folder: scrub(folder, raw, self._found.block_size)
        finally:
            os.close(raw)

    def _opened_raw(self) -> int | None:
        """Return the storage below, to be read through the cache that the file system shares."""
        try:
            return open_raw(self._found.node, self._found.device) if self._found.node is not None else None
        except OSError:
            return None

    def is_journal_wrapped(self) -> bool:
        """Make the journal go once round, so that it keeps nothing of what was written before, and everything that
        it held stands in its own place; tell false where that cannot be seen. Raises OSError, MediumError, Lost."""
        wrapped = self._wrap_journal()
        return wrapped is not None and not wrapped.left

    def _wrap_journal(self, pause: Callable[[int, int], None] = lambda done, total: None) -> Wrapped | None:
        """The journal went once round; none where it cannot be seen; raises OSError, MediumError, Lost."""
        if self._storage is not None and not isinstance(self._storage, Storage):
            # Copies of what was written lie wherever the tree's blocks lay before: that is free space, and no journal.
            return Wrapped(0, 0)
        journal = journal_of(self._found, self._storage)
        if journal is None or self._storage is None:
            return None if journal is None or journal.size else Wrapped(0, 0)
        return wrap(self._root, self._found, self._storage, journal, machine=self._machine, pause=pause)

    def _scrub_names(self, given: Given, begun: Begun) -> NamesRecord:
        pause = pausing(given)
        unclean = begun.unclean
        with self._filler() as clean:
            for name in begun.stay:
                pause(0, 0)
                folder = open_beneath(self._root, name, AS_FOLDER)
                try:
                    unclean += not clean(folder)
                finally:
                    os.close(folder)
        if self._found.kind in LOOKED_OVER:
            with crowded(self._root, begun.stay, self._found.block_size):
                self._wrap_journal(pause)
        wrapped = self._wrap_journal(pause)
        is_wrapped = wrapped is not None and not wrapped.left
        is_clean = not unclean or (is_wrapped and self._found.kind in LOOKED_OVER and self._are_nowhere(given, begun))
        left = [] if is_clean else ["names-in-directories"]
        left += [] if is_wrapped else ["file-system-journal"]
        return NamesRecord(
            step=given.number,
            directories=len(begun.stay),
            journal=wrapped.written if wrapped is not None else 0,
            is_complete=not left,
            ended_at=given.now(),
            left=tuple(left),
        )

    def _are_nowhere(self, given: Given, begun: Begun) -> bool:
        """Look for every name that went on the whole storage, and where one is left fill free space and look again;
        tell false where one is left then, or where not all of them were kept. Raises OSError, MediumError, Lost."""
        box = self._wishes.box
        kept = box.load() if box is not None else None
        names = [one.value for one in kept.needles if one.sort == "names"] if kept is not None else []
        if box is None or not names or len(names) != begun.names or not self._are_told(names):
            return False
        if self._is_one_left(given, box):
            fill_free(self._root, self._found, given.entropy(32), machine=self._machine, pause=pausing(given))
            if self._is_one_left(given, box):
                return False
        given.note(f"each of the {len(names)} names was looked for on the whole storage, and none is left")
        return True

    def _are_told(self, names: Sequence[bytes]) -> bool:
        """Tell whether each name can be found wherever it may stand: a plain one only in shapes that are known."""
        storage = self._storage
        return isinstance(storage, Storage) and (all(map(is_telling, names)) or not keeps_parents(storage))

    def _is_one_left(self, given: Given, box: NeedleBox) -> bool:
        from wipers.linux.residue import Ground, hunt_on

        # What is found here is no evidence: the hunt that the order asks for comes after the last step.
        silent = replace(given, keep=lambda name, data: None)
        look = hunt_on((Ground(self._found),), silent, box, self._wishes.label_key, self._machine)
        return look.state != "made" or look.unread_size > 0 or any(hits.sort == "names" for hits in look.hits)

    def _fill_free(self, given: Given) -> FillRecord:
        pause = pausing(given)
        filled = fill_free(self._root, self._found, given.entropy(32), machine=self._machine, pause=pause)
        left = list(filled.left)
        wrapped = self._wrap_journal(pause)
        if wrapped is None or wrapped.left:
            left.append("file-system-journal")
        if has_unwritten(self._root, self._machine, pause) is not False:
            left.append("unwritten-extents")
        return FillRecord(
            step=given.number,
            filled=filled.filled,
            unreached=filled.unreached,
            is_complete=not left,
            ended_at=given.now(),
            left=tuple(left),
        )

    def _sample(self, step: Sample, given: Given, streams: Streams) -> StepRecord:
        from wipers.linux.residue import sample, size_below
        from wipers.needles import from_names, from_streams, renumbered

        if self._wishes.box is None:
            raise TypeError("nothing is sampled of these files")

        def make(key: bytes) -> tuple[Needle, ...]:
            contents = from_streams(self._reading(streams), streams.tree.sizes, key)
            names = from_names(_names(self._root, streams), self._found.kind, key) if step.names else ()
            return (*contents, *renumbered(names, len(contents)))

        below = size_below(self._found, self._root)
        return sample(step, given, self._wishes.box, make, self._wishes.label_key, below=below)

    def _reading(self, streams: Streams) -> Callable[[int, int, int], bytes]:
        def read(stream: int, offset: int, length: int) -> bytes:
            try:
                descriptor = open_stream(self._root, streams.tree, stream, READING)
            except OSError:
                return b""
            try:
                return os.pread(descriptor, length, offset)
            finally:
                os.close(descriptor)

        return read

    def _hunt(self, given: Given, streams: Streams) -> Check:
        from wipers.linux.residue import Ground, hunt_on

        if self._wishes.box is None:
            raise TypeError("nothing was sampled of these files")
        count = len(streams) if len(streams) <= MOST_PLACES else 0
        spans = tuple(("carrier", span.physical, span.length) for at in range(count) for span in streams.spans(at))
        ground = Ground(self._found, spans, is_given_back=self._is_given_back)
        return hunt_on((ground,), given, self._wishes.box, self._wishes.label_key, self._machine)


def pausing(given: Given) -> Callable[[int, int], None]:
    """Return what is told how far an act came, and ends it where the run is to stop."""

    def pause(done: int, total: int) -> None:
        if given.stop.is_set():
            raise Halted
        if total:
            given.told(done, total)

    return pause


def _names(root: int, streams: Streams) -> Iterator[tuple[bytes, int]]:
    """Yield every name that goes, with the inode that it leads to."""
    tree = streams.tree
    for stream, _, name in tree.all_names():
        yield _last(name), tree.inodes[stream]
    for names in (tree.others, tree.folders):
        for name in names:
            yield _last(name), os.stat(name, dir_fd=root, follow_symlinks=False).st_ino


def _last(name: str) -> bytes:
    return os.fsencode(name.rpartition("/")[2])
