"""Databases and their servers: conditions, locks, snapshots, replays."""

from __future__ import annotations

from certificates.reasons.row import Row

REASONS: dict[str, Row] = {
    "condition-wrong": Row(
        "The condition of the records cannot be taken: {detail}",
        "Correct it in the draft, and have the order approved anew",
        "记录的选择条件不可用：{detail}",
        "请在草稿中更正，并重新报批",
    ),
    "connect-wrong": Row(
        "What the order says under connect for carrier {carrier} cannot be taken: {detail}",
        "Correct it in the draft, and have the order approved anew",
        "订单中载体 {carrier} 的 connect 设置不可用：{detail}",
        "请在草稿中更正，并重新报批",
    ),
    "database-encrypted": Row(
        "The file at {where} is encrypted, as SQLCipher encrypts databases: nothing in it can be counted",
        "To be rid of all of it, order the file of its key, or this file, as kind files; for some rows, let its "
        "application write a database without encryption and order those rows there, then this file",
        "{where} 的文件已加密（如 SQLCipher），无法统计其内容",
        "全部销毁：请按文件（kind files）销毁其密钥文件或该文件；只销毁部分行：请由其应用程序导出未加密的数据库，"
        "在其中按行销毁，并销毁该文件",
    ),
    "database-unfinished": Row(
        "The database at {where} has a rollback journal that was never finished",
        "Open and close it once with its own application, then run 'expunge plan' again",
        "{where} 的数据库有未完成的回滚日志",
        "请先用其应用程序打开并关闭一次，再运行 expunge plan",
    ),
    "database-unreadable": Row(
        "The database at {where} cannot be counted: {detail}",
        "Have the order name its files instead",
        "无法统计 {where} 的数据库行数：{detail}",
        "请改为在销毁单中按文件列出",
    ),
    "engine-elsewhere": Row(
        "The server that answers does not hold the files of {where}: {detail}",
        "Correct how to connect, or where the files lie, in the draft",
        "应答的服务器并不使用 {where} 的文件：{detail}",
        "请在草稿中更正连接方式或文件位置",
    ),
    "engine-failed": Row(
        "The database engine gave up on {where}: {detail}",
        "See the engine's own log, then run 'expunge resume'",
        "数据库引擎处理 {where} 时失败：{detail}",
        "请查看引擎日志后运行 expunge resume",
    ),
    "engine-unreachable": Row(
        "The database of {where} cannot be reached: {detail}",
        "Start the server, or correct user and credentials, then try again",
        "无法连接 {where} 的数据库：{detail}",
        "请启动服务器，或更正用户与凭据后重试",
    ),
    "not-a-database": Row(
        "The file at {where} is no SQLite database",
        "Have the order name the right file, or order it as a file",
        "{where} 不是 SQLite 数据库",
        "请更正销毁单，或按文件销毁",
    ),
    "records-changed": Row(
        "The records changed since they were planned for ({where}): {detail}",
        "Look into who changed them, then run 'expunge resume', or order anew",
        "记录自计划后已变化（{where}）：{detail}",
        "请查明变更来源后运行 expunge resume，或重新下达销毁令",
    ),
    "records-in-use": Row(
        "A lock on {where} was not to be had: {detail}",
        "End what holds it, then run 'expunge resume'",
        "未能取得 {where} 的锁：{detail}",
        "请结束占用者后运行 expunge resume",
    ),
    "records-not-offered": Row(
        "{where} holds what this version cannot destroy records in: {detail}",
        "Order the whole database or its files instead, or remove what stands in the way",
        "{where} 中含本版本无法按记录销毁的内容：{detail}",
        "请改为销毁整个数据库或其文件，或先移除该障碍",
    ),
    "records-referenced": Row(
        "Other records refer to those ordered ({where}): {detail}",
        "Order those too, or have the application let go of them first",
        "其他记录引用了待销毁记录（{where}）：{detail}",
        "请将其一并列入销毁单，或先由应用解除引用",
    ),
    "records-replay": Row(
        "This standby has not replayed all of its primary's run ({where}): {detail}",
        "Run the primary's carrier while this one waits, then run 'expunge resume' here",
        "该备库尚未重放其主库的全部销毁操作（{where}）：{detail}",
        "请先执行主库的载体，然后在此运行 expunge resume",
    ),
    "records-snapshot": Row(
        "Something still sees the records as they were ({where}): {detail}",
        "End or advance it, then run 'expunge plan' again",
        "仍有会话或槽位可见待销毁记录的旧版本（{where}）：{detail}",
        "请结束或推进后再运行 expunge plan",
    ),
    "records-space-low": Row(
        "Only {free} bytes are free on the file system of {where}; taking the records out writes about {needed}",
        "Free space there, then run 'expunge plan' again, or 'expunge resume' where the run has begun",
        "{where} 所在文件系统仅剩 {free} 字节，取出记录约需写入 {needed} 字节",
        "请在该处释放空间后重新运行 expunge plan；如已开始则运行 expunge resume",
    ),
    "replay-holds": Row(
        "{carrier}: files that a replay before this one took out are still in {where}, and none goes on that would"
        " destroy them",
        "Order that directory as files, run that order, then give the command again",
        "{carrier}：此前的重做销毁取出的文件仍在 {where}，且没有可继续的重做将其销毁",
        "请将该目录作为文件签发销毁单并执行，然后重新输入命令",
    ),
    "replay-stranger": Row(
        "Of {values} values at {where}, {known} are among the samples of what was destroyed; {least} would have to be",
        "What is there under this name is something else, or was changed throughout: order its destruction anew",
        "{where} 的 {values} 个值中仅 {known} 个属于已销毁数据的样本，至少应有 {least} 个",
        "该名称下的数据已非原数据，或已全部更改：请另行签发销毁单",
    ),
    "replay-unfounded": Row(
        "{name} proves no erasure that may be repeated: {detail}",
        "Give the bundle of a proven run of this host, with the selector of its order",
        "{name} 不能作为重做销毁的依据：{detail}",
        "请提供本机已证实执行的证据包及其销毁单的选择文件",
    ),
}
