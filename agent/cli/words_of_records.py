"""Words of the screen about records of a database, in both languages."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "records.way": ("Way", "方式"),
    "records.rows": ("Rows", "行数"),
    "records.size": ("To write", "写入量"),
    "records.at-most": ("at most {size}, and as much read back", "至多 {size}，并等量回读"),
    "records.lock-milliseconds": ("Exclusive lock, expected", "独占锁（预计）"),
    "records.milliseconds": ("{count} ms", "{count} 毫秒"),
    "records.pages": ("Pages", "页数"),
    "records.journal": ("Journal", "日志方式"),
    "records.open-elsewhere": ("Processes that have it open", "打开该库的进程数"),
    "records.offline-phase": ("Server to be stopped", "需停止服务器"),
    "records.bytes-to-write": ("Bytes to write", "写入字节数"),
    "records.file-system": ("File system", "文件系统"),
    "records.copy-known": ("Copy known to the server", "服务器已知副本"),
    "records.rows-by-foreign-key": ("Rows that go by foreign keys", "因外键一并删除的行"),
    "records.references-emptied": ("References emptied by foreign keys", "因外键置空的引用"),
    "records.indexes-of-words-rebuilt": ("Indexes of words built anew", "重建的全文索引"),
    "records.views-to-look-at": ("Views to look at afterwards", "事后需检查的视图"),
    "records.indexes-rewritten": ("Indexes rewritten", "重写的索引"),
    "records.statistics-rewritten": ("Statistics rewritten", "重写的统计信息"),
    "records.log-segments-held": ("Log segments held", "留置的日志段"),
    "replay.gone": ("nothing is there again", "未再出现"),
    "replay.there": ("{rows} rows are there again; nothing has been touched", "有 {rows} 行再次出现；未触及任何数据"),
    "replay.done": ("{rows} rows were there again and were destroyed again", "再次出现的 {rows} 行已再次销毁"),
}
