"""The host and its runs: the site, the journal, the ledger, limits, stops, and the registry as a host meets it."""

from __future__ import annotations

from certificates.reasons.row import Row

REASONS: dict[str, Row] = {
    "cancelled": Row(
        "Run {sequence} was cancelled by {by}",
        "Run 'expunge resume' to go on with it",
        "第 {sequence} 次执行已被 {by} 取消",
        "如需继续，请运行 expunge resume",
    ),
    "clock-behind": Row(
        "The clock shows {now}, before {seen}, the last time this host has seen",
        "Set the clock right",
        "时钟显示 {now}，早于本机已记录的 {seen}",
        "请校正时钟",
    ),
    "journal-not-writable": Row(
        "Journal and evidence cannot be written: {detail}",
        "Free space where the site lies or mend its file system; 'expunge resume' then continues what had begun",
        "日志和证据无法写入：{detail}",
        "请释放站点所在磁盘的空间或修复文件系统；已开始的执行随后可用 expunge resume 继续",
    ),
    "journal-to-resume-missing": Row(
        "No begun run waits to be resumed",
        "See 'expunge status'",
        "没有待续作的执行",
        "请查看 expunge status",
    ),
    "kill-switch": Row(
        "The kill switch {where} is set",
        "Ask who set it",
        "停止开关 {where} 已设置",
        "请询问设置者",
    ),
    "ledger-broken": Row(
        "The spent-order ledger does not hold at line {line}",
        "Keep the file; call the security officer",
        "已用销毁单台账第 {line} 行不成立",
        "请保留文件并联系安全管理员",
    ),
    "limit-bytes": Row(
        "This host may destroy {most} bytes a day; {used} are used",
        "Wait, or have the site's limits changed",
        "本机每日最多销毁 {most} 字节，已用 {used} 字节",
        "请等待或调整站点限额",
    ),
    "limit-carriers": Row(
        "This host may begin {most} carriers an hour",
        "Wait, or have the site's limits changed",
        "本机每小时最多开始 {most} 个载体",
        "请等待或调整站点限额",
    ),
    "not-answering": Row(
        "The device of carrier {carrier} did not answer within {seconds} s of the stop",
        "Unplug it, or wait until this program has ended, then run 'expunge resume'",
        "载体 {carrier} 的设备在停止后 {seconds} 秒内没有响应",
        "请拔下该设备或等待本程序结束，然后运行 expunge resume",
    ),
    "not-confirmed": Row(
        "Carrier {carrier} was not confirmed",
        "Type or scan its label or serial when asked, or give --confirm",
        "载体 {carrier} 未确认",
        "请输入或扫描其标签或序列号，或使用 --confirm",
    ),
    "nothing-fetched": Row(
        "Nothing was fetched from the registry: {detail}",
        "Try again later, or take orders and holds in from a medium with 'expunge import'",
        "未能从登记机构获取：{detail}",
        "请稍后重试，或用 expunge import 从介质导入销毁单和保全状态",
    ),
    "nothing-going": Row(
        "No process carries out the run that is meant",
        "See 'expunge status'; what is interrupted stays so until 'expunge resume'",
        "没有进程正在执行所指的事项",
        "请查看 expunge status；已中断的执行在 expunge resume 之前保持原状",
    ),
    "nothing-paused": Row(
        "No run that is meant is paused",
        "See 'expunge status'",
        "所指的执行没有暂停",
        "请查看 expunge status",
    ),
    "power-low": Row(
        "The battery holds {percent} % and no mains is connected",
        "Connect mains",
        "电池剩余 {percent}% 且未接电源",
        "请接通电源",
    ),
    "registry-refused": Row(
        "The registry refused: {detail}",
        "Read its reason; the certificate stays in the outbox",
        "登记机构拒绝：{detail}",
        "请查看原因，证书保留在待送箱中",
    ),
    "registry-unreachable": Row(
        "The registry cannot be reached: {detail}",
        "Run 'expunge submit' later",
        "无法连接登记机构：{detail}",
        "请稍后运行 expunge submit",
    ),
    "run-ambiguous": Row(
        "{carrier} is the carrier of several begun runs: {runs}",
        "Name the run by its number",
        "{carrier} 是多次执行的载体：{runs}",
        "请用执行编号指明",
    ),
    "run-state-unreadable": Row(
        "What a begun run needs to know cannot be read from {where} ({detail})",
        "Keep the file; call the security officer",
        "无法从 {where} 读取续作所需的信息（{detail}）",
        "请保留文件并联系安全管理员",
    ),
    "run-unknown": Row(
        "No begun run is called {name}",
        "Name it by its number, its journal or its carrier; see 'expunge status'",
        "没有名为 {name} 的已开始执行",
        "请用编号、日志或载体指明；请查看 expunge status",
    ),
    "site-missing": Row(
        "There is no site configuration at {where}",
        "Name one with --site, or write {where}",
        "{where} 没有站点配置",
        "请用 --site 指定或创建 {where}",
    ),
    "site-not-allowed": Row(
        "This host has a site of its own; --site and EXPUNGE_CONFIG are refused",
        "Run without them",
        "本机已有站点配置，不接受 --site 和 EXPUNGE_CONFIG",
        "请去掉这些选项",
    ),
    "site-not-safe": Row(
        "{where} can be changed by others than root",
        "Make it root's, not writable by others",
        "{where} 可被 root 以外的用户修改",
        "请改为 root 所有且他人不可写",
    ),
    "site-wrong": Row(
        "The site configuration is wrong: {detail}",
        "Correct {where}",
        "站点配置错误：{detail}",
        "请更正 {where}",
    ),
    "space-low": Row(
        "Only {free} bytes are free where the journal lies; {needed} are needed",
        "Free space",
        "日志所在处仅剩 {free} 字节，需要 {needed} 字节",
        "请释放空间",
    ),
    "station-idle": Row(
        "No open order names a disk that this station could wait for",
        "Give orders, or take them in with 'expunge fetch'; 'expunge plan ORDER' says why one is not open",
        "没有任何有效销毁单指名可在本工位等待的磁盘",
        "请指定销毁单或用 expunge fetch 获取；expunge plan 会说明原因",
    ),
    "stopped": Row(
        "The run was stopped by {by}",
        "Run 'expunge resume'",
        "执行被 {by} 停止",
        "请运行 expunge resume",
    ),
}
