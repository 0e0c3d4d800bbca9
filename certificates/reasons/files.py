"""Files and file systems: why the blocks below a name cannot be reached, or must not."""

from __future__ import annotations

from certificates.reasons.row import Row

REASONS: dict[str, Row] = {
    "extents-not-provable": Row(
        "{count} files below {where} have blocks whose place on the storage cannot be told",
        "Destroy the whole device instead",
        "{where} 下有 {count} 个文件的存储位置无法确定",
        "请改为销毁整个设备",
    ),
    "file-append-only": Row(
        "{count} files below {where} may only be appended to (chattr +a)",
        "Have their owner clear the flag, then run 'expunge plan' again",
        "{where} 下有 {count} 个文件设为只能追加（chattr +a）",
        "请所有者去除该标志后重新运行 expunge plan",
    ),
    "file-compressed": Row(
        "{count} files below {where} are compressed by the file system",
        "Order the whole device, or remove them and have free space filled (destroy: history)",
        "{where} 下有 {count} 个文件由文件系统压缩",
        "请改为销毁整个设备，或删除后填充空闲空间（destroy: history）",
    ),
    "file-copy-on-write": Row(
        "{count} files below {where} are written by copy: the old blocks stay (btrfs without chattr +C)",
        "Erase their key, order the whole device, or remove them and have free space filled (destroy: history)",
        "{where} 下有 {count} 个文件采用写时复制，旧数据块仍在（btrfs 未设 chattr +C）",
        "请销毁其密钥、改为销毁整个设备，或删除后填充空闲空间（destroy: history）",
    ),
    "file-data-journaled": Row(
        "{count} files below {where} have their contents journaled, and the journal cannot be read",
        "Run where the block device can be read, or destroy the whole device",
        "{where} 下有 {count} 个文件的内容写入日志，而日志无法读取",
        "请在可读取块设备处执行，或改为销毁整个设备",
    ),
    "file-differs": Row(
        "{count} files below {where} are not what the manifest says",
        "Find out who changed them; make the manifest and the order anew",
        "{where} 下有 {count} 个文件与清单摘要不符",
        "请查明变更原因，重新编制清单和销毁单",
    ),
    "file-direct-access": Row(
        "{count} files below {where} lie in memory that is accessed directly (DAX)",
        "Mount it again with dax=never, then run 'expunge plan' again",
        "{where} 下有 {count} 个文件位于直接访问内存（DAX）",
        "请以 dax=never 重新挂载后再运行 expunge plan",
    ),
    "file-encrypted": Row(
        "{count} files below {where} are encrypted by the file system",
        "Destroy their key where it is kept, with every copy (fscrypt metadata destroy), or order the whole device",
        "{where} 下有 {count} 个文件由文件系统加密",
        "请在密钥存放处销毁其密钥及所有副本（fscrypt metadata destroy），或改为销毁整个设备",
    ),
    "file-immutable": Row(
        "{count} files below {where} are immutable (chattr +i)",
        "Have their owner clear the flag, then run 'expunge plan' again",
        "{where} 下有 {count} 个文件不可更改（chattr +i）",
        "请所有者去除该标志后重新运行 expunge plan",
    ),
    "file-inline": Row(
        "{count} files below {where} lie inside their inodes",
        "Destroy the whole device instead",
        "{where} 下有 {count} 个文件存于索引节点内",
        "请改为销毁整个设备",
    ),
    "file-realtime": Row(
        "{count} files below {where} lie on the realtime device of xfs",
        "Order that device, whole",
        "{where} 下有 {count} 个文件位于 xfs 实时设备",
        "请对该设备整体下达销毁令",
    ),
    "file-shared": Row(
        "{count} files below {where} share blocks with another file or a snapshot",
        "Order or delete the other file and the snapshot too, then run 'expunge plan' again",
        "{where} 下有 {count} 个文件与其他文件或快照共享数据块",
        "请一并销毁或删除其他文件和快照后重新运行 expunge plan",
    ),
    "file-system-copies": Row(
        "The file system of {where} is {what}: every write takes new blocks, and the old ones stay",
        "Erase the key where it is encrypted, or order the whole device",
        "{where} 的文件系统为 {what}：每次写入都使用新数据块，旧块仍在",
        "如已加密请销毁其密钥，否则请改为销毁整个设备",
    ),
    "file-system-in-memory": Row(
        "The file system of {where} is {what}: no storage lies below it, and pages may have gone to swap",
        "Unmount it, and order the swap areas (swapoff first)",
        "{where} 的文件系统为 {what}：其下没有存储介质，页面可能已写入交换区",
        "请卸载，并对交换区下达销毁令（先 swapoff）",
    ),
    "file-system-not-supported": Row(
        "The file system of {where} is {what}, and erasure in place was never shown to reach its blocks",
        "Destroy the whole device instead",
        "{where} 的文件系统为 {what}，未证实就地销毁可达其数据块",
        "请改为销毁整个设备",
    ),
    "file-system-read-only": Row(
        "The file system of {where} is mounted read-only",
        "Mount it for writing, then run 'expunge plan' again",
        "{where} 的文件系统为只读挂载",
        "请以可写方式挂载后重新运行 expunge plan",
    ),
    "file-system-remote": Row(
        "The file system of {where} is {what}: its blocks are not this machine's to write in place",
        "Order the files where they are stored",
        "{where} 的文件系统为 {what}：其数据块不由本机就地写入",
        "请在实际存储处下达销毁令",
    ),
    "file-system-spans-devices": Row(
        "The file system of {where} lies on several devices",
        "Order every device of it, whole",
        "{where} 的文件系统跨越多个设备",
        "请对其所有设备整体下达销毁令",
    ),
    "file-system-stacked": Row(
        "The file system of {where} is {what}: a lower layer keeps the files as they were",
        "Order the files in the directories of its layers, the lower ones too",
        "{where} 的文件系统为 {what}：下层仍保留原文件",
        "请在其各层目录（含下层）分别下达销毁令",
    ),
    "file-verity": Row(
        "{count} files below {where} are sealed by fs-verity",
        "Destroy the whole device instead",
        "{where} 下有 {count} 个文件由 fs-verity 封存",
        "请改为销毁整个设备",
    ),
    "files-changing": Row(
        "{count} files below {where} changed while they were looked at",
        "Stop what changes them, then run 'expunge plan' again",
        "{where} 下有 {count} 个文件在查看时发生变化",
        "请停止相关程序后重新运行 expunge plan",
    ),
    "files-missing": Row(
        "{count} of the ordered names below {where} are not there",
        "Have the order match what is there",
        "{where} 下有 {count} 个销毁单所列名称不存在",
        "请使销毁单与实际一致",
    ),
    "files-not-accessible": Row(
        "{count} files or directories below {where} may not be read and written by this user",
        "Run as root or as their owner",
        "{where} 下有 {count} 个文件或目录当前用户无权读写",
        "请以 root 或所有者身份运行",
    ),
    "hard-links-outside": Row(
        "{count} files have names outside the order",
        "Have the order name every hard link",
        "{count} 个文件在销毁单之外还有硬链接",
        "请将全部硬链接列入销毁单",
    ),
    "link-in-path": Row(
        "{count} of the ordered names below {where} lead through a symbolic link",
        "Have the order name the real path",
        "{where} 下有 {count} 个名称经过符号链接",
        "请在销毁单中使用真实路径",
    ),
    "list-differs": Row(
        "The list of files {where} is not the one that was approved",
        "Put the approved list in its place, or have the order made anew",
        "文件列表 {where} 不是经批准的列表",
        "请恢复经批准的列表，或重新编制销毁单",
    ),
    "list-unreadable": Row(
        "The list of files {where} cannot be used: {detail}",
        "Correct it, or name another one in the order",
        "文件列表 {where} 无法使用：{detail}",
        "请更正，或在销毁单中另行指定",
    ),
    "mount-below": Row(
        "{count} of the things below {where} are on another mount",
        "Unmount it, or have the order name its files on their own",
        "{where} 下有 {count} 处属于其他挂载",
        "请卸载，或另行列入销毁单",
    ),
    "name-not-plain": Row(
        "{count} of the ordered names below {where} contain '.' or '..'",
        "Have the order name plain paths",
        "{where} 下有 {count} 个名称含有“.”或“..”",
        "请在销毁单中使用规范路径",
    ),
    "not-regular-file": Row(
        "{count} of the ordered names below {where} are neither files nor directories",
        "Have the order name files and directories",
        "{where} 下有 {count} 个名称既非文件也非目录",
        "请在销毁单中列出文件或目录",
    ),
    "system-path": Row(
        "{where} holds part of the running system or of this program",
        "There is no way to order this",
        "{where} 含有本机系统或本程序的文件",
        "此操作不可执行",
    ),
}
