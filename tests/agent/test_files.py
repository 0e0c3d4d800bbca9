"""Files that people hand over are read, or told at once why not, whatever lies at their path."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from agent.files import read_file
from certificates.errors import Refused, Untrusted

MOST = 1000


def refused(path: Path) -> str:
    with pytest.raises(Refused) as caught:
        read_file(path, MOST)
    assert caught.value.reason == "file-unreadable"
    assert str(path) in str(caught.value)
    return str(caught.value.facts["detail"])


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    """A byte more is too much, and the size is told."""
    path = tmp_path / "order.json"
    path.write_bytes(b"x" * MOST)
    assert read_file(path, MOST) == b"x" * MOST
    path.write_bytes(b"x" * (MOST + 1))
    with pytest.raises(Untrusted) as caught:
        read_file(path, MOST)
    assert (caught.value.reason, caught.value.facts["size"]) == ("document-too-large", MOST + 1)


def test_a_pipe_to_which_nobody_writes_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Somebody made one where an order was to lie."""
    path = tmp_path / "order.json"
    os.mkfifo(path)
    assert read_file(path, MOST) == b""


@pytest.mark.parametrize("count", [3, MOST // 100 + 1])
def test_what_a_shell_hands_over_as_a_pipe_is_read_to_its_end(count: int) -> None:
    """However slowly it comes, as of a program that unpacks it; and no further than the limit."""
    end, begin = os.pipe()
    go_on = threading.Event()

    def tell() -> None:
        os.write(begin, b"y" * 100)
        go_on.wait()
        for _ in range(count - 1):
            os.write(begin, b"y" * 100)
        os.close(begin)

    teller = threading.Thread(target=tell)
    teller.start()
    threading.Timer(0.2, go_on.set).start()
    try:
        if count * 100 > MOST:
            with pytest.raises(Untrusted) as caught:
                read_file(Path(f"/dev/fd/{end}"), MOST)
            assert caught.value.facts["size"] == MOST + 1
        else:
            assert read_file(Path(f"/dev/fd/{end}"), MOST) == b"y" * (100 * count)
    finally:
        teller.join()
        os.close(end)


def test_a_device_is_no_document(tmp_path: Path) -> None:
    """Through a link neither; some have no end, and a terminal would be waited for."""
    assert refused(Path("/dev/null")) == "It is a device"
    link = tmp_path / "order.json"
    link.symlink_to("/dev/null")
    assert refused(link) == "It is a device"


def test_a_directory_a_socket_and_nothing_are_told(tmp_path: Path) -> None:
    """Each in the words of the system."""
    assert refused(tmp_path) == "Is a directory"
    path = tmp_path / "socket"
    os.mknod(path, stat.S_IFSOCK | 0o600)
    assert refused(path) == "No such device or address"
    assert refused(tmp_path / "nothing") == "No such file or directory"
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert refused(loop) == "Too many levels of symbolic links"
