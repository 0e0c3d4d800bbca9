"""Words of surveys, and of how cards and drives came together."""

from __future__ import annotations

OF_SURVEYS: dict[str, tuple[str, str]] = {
    "survey.head": ("Survey of {machine}, {at}", "{machine} 清点，{at}"),
    "survey.system": ("System", "整机"),
    "survey.chassis": ("Chassis", "机箱"),
    "survey.tag": ("Asset tag", "资产标签"),
    "survey.board": ("Board", "主板"),
    "survey.kernel": ("Kernel", "内核"),
    "survey.none": ("none: nobody signs", "无：无人签名"),
    "survey.made": ("Survey: {file}\n{digest}", "清点文件：{file}\n{digest}"),
    "survey.unread": (
        "Not readable for this account: {facts}. Run it as root to have them in the survey.",
        "当前账户无权读取：{facts}。请以 root 运行以写入清点。",
    ),
    "obstacle.array-not-whole": ("its array is not whole, or at work", "其阵列不完整或正在重建"),
    "obstacle.backing-file-gone": ("its backing file is out of sight", "看不到其后备文件"),
    "obstacle.device-nameless": (
        "nothing that it says tells it from another: no serial number or WWN of its own",
        "没有可与其他硬盘区分的标识：无自身的序列号或 WWN",
    ),
    "obstacle.drive-locked": (
        "locked by a password: unlock it first, or have it destroyed",
        "已被口令锁定：请先解锁，或改为物理销毁",
    ),
    "obstacle.image-layered": ("its file is of a format with layers", "其文件为分层格式"),
    "obstacle.in-use": ("in use", "使用中"),
    "obstacle.layer-unclear": ("what lies between it and the hardware cannot be told", "无法得知其与硬件之间的层次"),
    "obstacle.loop-not-whole-file": ("it shows only a part of its file", "仅映射文件的一部分"),
    "obstacle.open-failed": ("it could not be opened", "无法打开"),
    "obstacle.paths-differ": ("its paths lead to different units", "其多条路径指向不同的设备"),
    "obstacle.read-only": ("read-only", "只读"),
    "obstacle.sector-size-foreign": (
        "its sectors are of a size that the kernel does not take: format it to 512 or 4,096 bytes first",
        "扇区大小不受内核支持：请先格式化为 512 或 4096 字节扇区",
    ),
    "obstacle.system-disk": ("the running system is on it", "运行中的系统在其上"),
    "why.drive-locked": ("a password keeps every command out", "口令阻止了所有命令"),
    "why.medium-opaque": (
        "what the bits lie on cannot be told: a virtual disk, a RAID volume, a bridge",
        "无法得知数据实际所在介质：虚拟盘、RAID 卷或转接桥",
    ),
    "why.overwriting-alone": (
        "overwriting by the host reaches clear; the drive's own erase commands are not used",
        "主机覆写只达到逻辑清除级；未使用硬盘自身的擦除命令",
    ),
    "why.sector-size-foreign": ("its sectors cannot be addressed as they are", "其扇区目前无法寻址"),
    "doubt.unsigned": ("nobody signed it", "无人签名"),
    "doubt.no-keyring": ("no keyring at hand (give --keyring)", "没有密钥册（请用 --keyring 指定）"),
    "doubt.unknown-host": ("its host is not in the keyring", "其主机不在密钥册中"),
    "doubt.key-not-valid": ("its host's key is revoked or out of date", "其主机密钥已吊销或过期"),
    "matching.head": ("Cards and drives, {at}", "卡片与硬盘对照，{at}"),
    "matching.counts": (
        "{cards} cards, {drives} drives in {surveys} surveys; {ordered} drives in orders",
        "卡片 {cards} 张，清点 {surveys} 份共 {drives} 块硬盘；列入销毁单 {ordered} 块",
    ),
    "matching.order": (
        "Order {order}: {carriers} carriers  {digest}",
        "销毁单 {order}：载体 {carriers} 个  {digest}",
    ),
    "matching.cards": ("List of cards  {digest}", "卡片清单  {digest}"),
    "matching.ignored": ("Columns not used: {columns}", "未使用的列：{columns}"),
    "matching.line": ("line {line}", "第 {line} 行"),
    "matching.alike": (
        "≈ stands between numbers that differ only in letters that look alike (O and 0, I and 1): read the label.",
        "≈ 两侧的编号仅在形近字符上不同（O 与 0、I 与 1）：请重新核对标签。",
    ),
    "matching.serial": ("Serial", "序列号"),
    "matching.machine": ("Machine", "机器"),
    "matching.by": ("Matched by", "对应依据"),
    "matching.out": ("left out", "未列入"),
    "matching.made": ("For those who approve: {file}", "供审批人查阅：{file}"),
    "matched.drive-serial": ("serial number", "硬盘序列号"),
    "matched.chassis-serial": ("chassis", "机箱序列号"),
    "matched.asset-tag": ("asset tag", "资产标签"),
    "matched.by-hand": ("by hand", "人工指定"),
    "finding.card-ambiguous": (
        "Cards whose numbers lead to several things: put them with a drive under from_survey.by_hand",
        "编号对应多个对象的卡片：请在 from_survey.by_hand 中人工指定",
    ),
    "finding.card-left-out": ("Cards left out by the draft", "草稿排除的卡片"),
    "finding.card-unmatched": (
        "Cards with which no drive goes: survey the machine, correct the number, or leave the card out",
        "没有对应硬盘的卡片：请清点该机器、更正编号，或排除该卡片",
    ),
    "finding.drive-ambiguous": (
        "Drives that several cards claim: put the right cards with them under from_survey.by_hand",
        "多张卡片对应的硬盘：请在 from_survey.by_hand 中人工指定",
    ),
    "finding.drive-in-two-surveys": (
        "Drives in two machines: they were moved; survey the machines again",
        "出现在两台机器中的硬盘：已被移动，请重新清点",
    ),
    "finding.drive-left-out": ("Drives left out by the draft", "草稿排除的硬盘"),
    "finding.drive-unmatched": (
        "Drives with which no card goes: find the card, or leave the drive out with the reason",
        "没有对应卡片的硬盘：请找到卡片，或注明理由后排除",
    ),
    "finding.drive-without-identity": (
        "Drives that no order can name, for nothing tells them from others: attach them otherwise, or leave them out",
        "销毁单无法指名的硬盘（无可区分的标识）：请换一种方式连接，或排除",
    ),
    "finding.in-use": (
        "Drives with something in the way when surveyed: clear it before the run",
        "清点时有障碍的硬盘：执行前请排除",
    ),
    "finding.level-unreachable": (
        "Drives that do not reach the level asked for: name a fallback under from_survey.otherwise, or ask for less",
        "达不到要求级别的硬盘：请在 from_survey.otherwise 中指定后备措施，或降低要求",
    ),
    "finding.no-host": (
        "Drives of a machine that no keyring knows: name a bench under from_survey.hosts",
        "密钥册中没有其主机的硬盘：请在 from_survey.hosts 中指定销毁工作台",
    ),
    "finding.secrecy": (
        "Cards that hold, or may hold, state secrets: never wiped here; for the hand-over list",
        "涉及或疑似涉及国家秘密的卡片：不得在此清除，列入移交清单",
    ),
    "finding.survey-stale": (
        "Surveys too old, or dated ahead: survey again, or allow more under from_survey.oldest",
        "清点过旧或时间超前：请重新清点，或放宽 from_survey.oldest",
    ),
    "finding.survey-superseded": ("Surveys with a newer one of the same machine", "已有更新清点的旧清点"),
    "finding.survey-unverified": (
        "Surveys for which no host known here vouches",
        "没有已知主机签名担保的清点",
    ),
    "finding.system-disk": (
        "Drives that the surveyed system runs from: name a bench under from_survey.hosts, or leave them out",
        "被清点系统的系统盘：请在 from_survey.hosts 中指定销毁工作台，或排除",
    ),
}
"""Key -> (English, Chinese)."""
