"""Extended attributes and access lists of a file: written over with values of the same length, then taken away.

A value of the same length takes the place of the one before it, in the inode or in the block beside it (ext4); taken
away at once, the old one would stand on in a block that was given back. So a barrier must lie between the two.
"""

from __future__ import annotations

import errno
import os
import struct

ACCESS_LISTS = frozenset({"system.posix_acl_access", "system.posix_acl_default"})
CAPABILITY = "security.capability"
NOT_OURS = frozenset({errno.EPERM, errno.EACCES, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSPC, errno.EDQUOT})
"""What tells that a value cannot be replaced; the attribute is taken away all the same."""
NAMED = (0x02, 0x08)
"""Tags of the entries of an access list that name somebody: ACL_USER, ACL_GROUP (linux/posix_acl.h)."""
_ENTRY = struct.Struct("<HHI")


def overwrite_attributes(descriptor: int) -> int:
    """Every attribute's value is one of chance, as long as before; return how many kept theirs; raises OSError."""
    kept = 0
    for name in names_of(descriptor):
        try:
            os.setxattr(descriptor, name, _another(name, os.getxattr(descriptor, name)), os.XATTR_REPLACE)
        except OSError as error:
            if error.errno not in NOT_OURS and error.errno != errno.ENODATA:
                raise
            kept += error.errno != errno.ENODATA
    return kept


def remove_attributes(descriptor: int) -> None:
    """The file has no attributes but those that may not be taken away; raises OSError."""
    for name in names_of(descriptor):
        try:
            os.removexattr(descriptor, name)
        except OSError as error:
            if error.errno not in NOT_OURS and error.errno != errno.ENODATA:
                raise


def names_of(descriptor: int) -> list[str]:
    """Return the attributes' names; none where the file system has no attributes; raises OSError."""
    try:
        return os.listxattr(descriptor)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return []


def _another(name: str, value: bytes) -> bytes:
    """Return a value of the same length that the kernel takes for that name."""
    if name in ACCESS_LISTS:
        return _another_list(value)
    if name == CAPABILITY:
        # Its first word says which revision follows; what is granted becomes nothing.
        return value[:4].ljust(len(value), b"\0")
    return os.urandom(len(value))


def _another_list(value: bytes) -> bytes:
    """Return an access list of the same length in which chance is named; its order of tags stays."""
    changed = bytearray(value)
    for at in range(4, len(value), _ENTRY.size):
        tag, _, who = _ENTRY.unpack_from(value, at)
        if tag in NAMED:
            who = int.from_bytes(os.urandom(4), "little") & 0x7FFFFFFF
        _ENTRY.pack_into(changed, at, tag, 0, who)
    return bytes(changed)
