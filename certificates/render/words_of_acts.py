# ruff: noqa: E501  a sentence stands on one line, whatever its length
"""What goes beyond an overwrite: samples, withdrawals, names, free space, hunts, survivors, in English and Chinese."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "method.copy-forward": (
        "rewriting of what stays, and overwriting of the files that held the rest",
        "重写保留部分，并覆写原先存放其余部分的文件",
    ),
    "method.hole-filling": (
        "deletion in place, with other rows written into the space that was freed",
        "就地删除，并以其他行写满所释放的空间",
    ),
    "kind.records": ("records of a database", "数据库记录"),
    "area.held": ("the files that the engine let go", "数据库引擎已弃用的文件"),
    "record.needles": (
        "{needles} samples of contents and {names} names kept to be looked for",
        "已留取 {needles} 个内容样本和 {names} 个名称备查",
    ),
    "record.needles.impossible": (
        "no samples could be kept ({impossible})",
        "未能留取样本（{impossible}）",
    ),
    "record.withdrawal": (
        "{rows} rows taken out; {objects} files of {size} bytes held; longest exclusive lock {locked_milliseconds} ms",
        "已取出 {rows} 行；留置文件 {objects} 个，共 {size} 字节；最长独占锁 {locked_milliseconds} 毫秒",
    ),
    "record.names": (
        "freed entries of {directories} directories written over; the file system's journal took {journal} bytes",
        "已覆写 {directories} 个目录中释放的条目；文件系统日志写入 {journal} 字节",
    ),
    "record.fill": (
        "{filled} bytes of free space written over, {unreached} not reached",
        "已覆写空闲空间 {filled} 字节，未触及 {unreached} 字节",
    ),
    "record.left": ("not reached: {left}", "未触及：{left}"),
    "record.consequence": ("{code}: {count}", "{code}：{count}"),
    "check.residue-hunt.made": (
        "{needles} samples and {names} names looked for in {size} bytes of raw storage ({forms}): {hits} found, {unread_size} bytes unread.",
        "在 {size} 字节底层存储中查找 {needles} 个样本和 {names} 个名称（{forms}）：发现 {hits} 处，{unread_size} 字节未能读取。",
    ),
    "check.residue-hunt.needles-lost": (
        "No hunt: the samples were lost, in a restart or because none could be kept.",
        "未作残留查找：样本因重启丢失，或未能留取。",
    ),
    "check.residue-hunt.storage-not-readable": (
        "No hunt: the storage below the file system could not be read.",
        "未作残留查找：无法读取文件系统之下的存储。",
    ),
    "check.hit": ("{count} in {place}", "{place} {count} 处"),
    "check.survivors": (
        "{rows_after} of {rows_before} rows in {tables} tables that had to survive are there, {same}; {engine_check}: {sound}.",
        "应保留的 {tables} 个表共 {rows_before} 行，现存 {rows_after} 行，{same}；{engine_check}：{sound}。",
    ),
    "survivors.same": ("unchanged", "内容未变"),
    "survivors.differ": ("changed", "内容有变"),
    "survivors.sound": ("sound", "完好"),
    "survivors.unsound": ("not sound", "有损"),
    "verdict.hunt": ("{needles} samples: {hits} found", "样本 {needles} 个：发现 {hits} 处"),
    "verdict.survivors": (
        "{rows_after} of {rows_before} rows survive",
        "应保留 {rows_before} 行，现存 {rows_after} 行",
    ),
    "place.carrier": ("what the order names", "销毁单所列对象"),
    "place.engine": ("the engine's data files", "数据库引擎的数据文件"),
    "place.engine-log": ("the engine's logs", "数据库引擎的日志"),
    "place.file-system-journal": ("the file system's journal", "文件系统日志"),
    "place.directories": ("directories", "目录"),
    "place.slack": ("the slack behind the end of files", "文件尾部空隙"),
    "place.unwritten": ("blocks given to files and never written", "已分配给文件但从未写入的块"),
    "place.free": ("free blocks", "空闲块"),
    "place.other-file": ("files that no order names", "销毁单未列的文件"),
    "place.unknown": ("a place that could not be told", "无法判明之处"),
    "reason.contents-found": (
        "samples of the contents were found again ({count} places)",
        "再次发现内容样本（{count} 处）",
    ),
    "reason.history-found": (
        "samples of the contents were found elsewhere on the storage ({count} places)",
        "在存储的其他位置发现内容样本（{count} 处）",
    ),
    "reason.names-found": ("names were found again ({count} places)", "再次发现名称（{count} 处）"),
    "reason.free-space-not-reached": ("{count} bytes of free space were not reached", "空闲空间有 {count} 字节未触及"),
    "reason.not-hunted": (
        "nothing sampled before was looked for on the whole storage afterwards",
        "未在整个存储上查找事先留取的样本",
    ),
    "reason.not-withdrawn": ("the records were not taken out of the engine's files", "记录未从数据库引擎的文件中取出"),
    "reason.survivors-not-checked": ("what had to survive was not counted again", "未重新清点应保留的内容"),
    "reason.survivors-differ": ("what had to survive is not as it was", "应保留的内容与先前不符"),
    "residual.unwritten-extents": ("blocks given to files and never written", "已分配给文件但从未写入的块"),
    "residual.inode-slack": ("unused inodes and the slack within inodes", "未用的索引节点及其内部空隙"),
    "residual.reserved-blocks": ("blocks that the file system keeps for itself", "文件系统保留的块"),
    "residual.snapshots": ("snapshots", "快照"),
    "residual.other-copies-of-blocks": ("further copies of the same blocks", "同一数据块的其他副本"),
    "residual.storage-below-memory": ("swap that memory may have been moved to", "内存可能换出到的交换区"),
    "residual.server-memory": ("memory of the database server until it restarts", "数据库服务器内存（直至重启）"),
    "residual.server-log": ("the server's own log", "服务器自身日志"),
    "residual.write-ahead-log": ("write-ahead log", "预写日志"),
    "residual.archived-log": ("archived log", "归档日志"),
    "residual.replicas": ("replicas", "副本服务器"),
    "residual.backups": ("backups", "备份"),
    "residual.statistics": ("the engine's statistics", "数据库引擎的统计信息"),
    "residual.temporary-files": ("temporary files of the engine", "数据库引擎的临时文件"),
    "residual.undo-log": ("undo log", "撤销日志"),
    "residual.doublewrite-buffer": ("doublewrite buffer", "双写缓冲区"),
    "residual.index-pivots": ("keys in the upper pages of indexes", "索引上层页中的键"),
    "residual.older-page-slack": ("older rows in the slack of pages", "页面空隙中的旧行"),
    "residual.offline-phase-declined": (
        "what only a stopped server lets go of",
        "只有停止服务器后才能清除的内容",
    ),
    "residual.large-objects": ("large objects", "大对象"),
    "residual.values-not-sampled": ("values that no sample was taken of", "未取样的值"),
}
"""Key -> (English, Chinese)."""
