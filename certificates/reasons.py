"""Every reason a person can meet, in both languages: what happened, and what to do next. `docs/errors.md` is made from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """The sentences of one reason; `{fact}` marks are filled from the error."""

    en: str
    """What happened."""
    next_en: str
    """What to do next."""
    zh: str
    """What happened, in Chinese."""
    next_zh: str
    """What to do next, in Chinese."""


REASONS: dict[str, Row] = {
    "authority-exceeded": Row(
        "Asset {asset} is worth more than {who} may approve",
        "Have somebody with enough authority approve",
        "资产 {asset} 的账面价值超过 {who} 的审批权限",
        "请由有足够权限者审批",
    ),
    "awaiting-signatures": Row(
        "The certificate of carrier {carrier} awaits signatures: {who}",
        "Run 'expunge certificate sign', then 'expunge submit'",
        "载体 {carrier} 的证书待签名：{who}",
        "请运行 expunge certificate sign，再运行 expunge submit",
    ),
    "carrier-ambiguous": Row(
        "Carrier {carrier} fits {count} different things: {what}",
        "Attach one at a time, or have the order name more facts",
        "载体 {carrier} 对应 {count} 个不同对象：{what}",
        "请逐个接入，或在销毁单中补充识别信息",
    ),
    "carrier-not-found": Row(
        "Nothing on this host is carrier {carrier}",
        "Attach it, then run 'expunge plan' again",
        "本机找不到载体 {carrier}",
        "请接入后重新运行 expunge plan",
    ),
    "carrier-unknown": Row(
        "The order has no carrier {carrier}",
        "Name a carrier of the order",
        "销毁单中没有载体 {carrier}",
        "请指定销毁单中的载体",
    ),
    "claim-boasts": Row(
        "The certificate claims {claimed}; its evidence supports {derived}",
        "Treat it as false",
        "证书声称 {claimed}，证据仅支持 {derived}",
        "请按不实处理",
    ),
    "clock-behind": Row(
        "The clock shows {now}, before {seen}, the last time this host has seen",
        "Set the clock right",
        "时钟显示 {now}，早于本机已记录的 {seen}",
        "请校正时钟",
    ),
    "clock-differs": Row(
        "The clock differs from the registry's by {seconds} s",
        "Set the clock right",
        "时钟与登记机构相差 {seconds} 秒",
        "请校正时钟",
    ),
    "core-data-gate": Row(
        "Asset {asset} is core data (核心数据), and the site's policy names no deciding organ",
        "Have the site's policy name the organ that decided",
        "资产 {asset} 属于核心数据，站点策略未指明决定机关",
        "请在站点策略中指明决定机关",
    ),
    "count-outside-order": Row(
        "Found {found} {what}; the order allows {least} to {most}",
        "Have the order match what is there",
        "找到 {found} {what}，销毁单允许 {least} 至 {most}",
        "请使销毁单与实际一致",
    ),
    "document-malformed": Row(
        "The document is not well-formed: {detail}",
        "Have its author send it again",
        "文件格式错误：{detail}",
        "请出具人重新发送",
    ),
    "document-not-canonical": Row(
        "The document is not in canonical form ({kind})",
        "Have its author write it with this program",
        "文件不是规范形式（{kind}）",
        "请用本程序重新生成",
    ),
    "document-too-large": Row(
        "The document has {size} bytes; at most {most} are read",
        "Have its author send the right file",
        "文件有 {size} 字节，最多读取 {most} 字节",
        "请确认文件是否正确",
    ),
    "document-wrong-kind": Row(
        "The document is a {found}, not a {expected}",
        "Name the right file",
        "文件类型是 {found}，不是 {expected}",
        "请指定正确的文件",
    ),
    "executor-not-named": Row(
        "The key given is not that of the executor {executor} named in the order",
        "Use the executor's key",
        "所给密钥不属于销毁单指定的执行人 {executor}",
        "请使用执行人的密钥",
    ),
    "field-missing": Row(
        "Field {field} is missing",
        "Have the author complete it",
        "缺少字段 {field}",
        "请出具人补充",
    ),
    "field-unknown": Row(
        "Field {field} is not known",
        "Remove it, or use a newer version of this program",
        "未知字段 {field}",
        "请删除该字段或升级本程序",
    ),
    "field-wrong": Row(
        "Field {field} must be {expected}",
        "Have the author correct it",
        "字段 {field} 应为：{expected}",
        "请出具人更正",
    ),
    "file-system-not-supported": Row(
        "The file system of {where} is {what}; only ext4 with data=ordered is supported for erasure in place",
        "Destroy the whole device instead",
        "{where} 的文件系统为 {what}，就地销毁仅支持 data=ordered 的 ext4",
        "请改为销毁整个设备",
    ),
    "hard-links-outside": Row(
        "{count} files have names outside the order",
        "Have the order name every hard link",
        "{count} 个文件在销毁单之外还有硬链接",
        "请将全部硬链接列入销毁单",
    ),
    "hold-state-missing": Row(
        "There is no hold state",
        "Run 'expunge fetch', or import one",
        "没有保全状态",
        "请运行 expunge fetch 或导入",
    ),
    "hold-state-old": Row(
        "The hold state is of {as_of}, older than this site allows",
        "Run 'expunge fetch', or import a fresh hold state",
        "保全状态时间为 {as_of}，超过本站允许的期限",
        "请运行 expunge fetch 或导入最新保全状态",
    ),
    "hold-state-replayed": Row(
        "Hold state {found} is older than {known}, which this host has seen",
        "Run 'expunge fetch', or import a fresh hold state",
        "保全状态序号 {found} 低于本机已见的 {known}",
        "请运行 expunge fetch 或导入最新保全状态",
    ),
    "identity-changed": Row(
        "{where} is no longer what was planned ({fact}: found {found}, expected {expected})",
        "Run 'expunge plan' again",
        "{where} 已不是计划的对象（{fact}：现为 {found}，应为 {expected}）",
        "请重新运行 expunge plan",
    ),
    "in-use": Row(
        "{where} is in use: {by}",
        "Release it, then run 'expunge plan' again",
        "{where} 正在使用：{by}",
        "请停止使用后重新运行 expunge plan",
    ),
    "journal-broken": Row(
        "The journal {name} does not hold at line {line}: {detail}",
        "Keep the file; call the security officer",
        "日志 {name} 第 {line} 行不成立：{detail}",
        "请保留文件并联系安全管理员",
    ),
    "journal-not-writable": Row(
        "The journal cannot be written: {detail}",
        "Free space or mend the file system",
        "日志无法写入：{detail}",
        "请释放空间或修复文件系统",
    ),
    "journal-to-resume-missing": Row(
        "No begun run waits to be resumed",
        "See 'expunge status'",
        "没有待续作的执行",
        "请查看 expunge status",
    ),
    "key-kind-unknown": Row(
        "Key {found} is not one that this program takes (Ed25519, P-256)",
        "Make a key with 'expunge key new'",
        "密钥 {found} 类型不受支持（仅 Ed25519、P-256）",
        "请用 expunge key new 生成密钥",
    ),
    "key-not-valid": Row(
        "Key {key} was not valid at {at}",
        "Have the document signed with a valid key",
        "密钥 {key} 在 {at} 时无效",
        "请用有效密钥重新签署",
    ),
    "key-unreadable": Row(
        "The key {where} cannot be read: {detail}",
        "Name the right key file and passphrase",
        "密钥 {where} 无法读取：{detail}",
        "请指定正确的密钥文件和口令",
    ),
    "keyring-chain": Row(
        "The keyring chain does not hold: {detail}",
        "Ask the keepers for the full chain",
        "密钥册链不成立：{detail}",
        "请向密钥管理人索取完整的链",
    ),
    "keyring-fork": Row(
        "Keyring version {version} differs from the one this host has seen",
        "Stop and call the security officer: two keyrings of one version exist",
        "密钥册第 {version} 版与本机已见的不一致",
        "请停止操作并联系安全管理员",
    ),
    "keyring-missing": Row(
        "There is no keyring",
        "Run 'expunge import' with the keyring",
        "没有密钥册",
        "请用 expunge import 导入密钥册",
    ),
    "keyring-rollback": Row(
        "Keyring version {found} is older than version {known}, which this host has seen",
        "Import the current keyring",
        "密钥册版本 {found} 低于本机已见版本 {known}",
        "请导入最新密钥册",
    ),
    "keyring-root": Row(
        "Keyring version 1 is {found}; this site trusts another root",
        "Check keyring_root in the site's configuration",
        "第 1 版密钥册为 {found}，与本站信任根不符",
        "请检查配置中的 keyring_root",
    ),
    "kill-switch": Row(
        "The kill switch {where} is set",
        "Ask who set it",
        "停止开关 {where} 已设置",
        "请询问设置者",
    ),
    "late-refusal": Row(
        "A check failed after the first write: {detail}",
        "Mend it, then run 'expunge resume'",
        "开始写入后检查未通过：{detail}",
        "请处理后运行 expunge resume",
    ),
    "ledger-broken": Row(
        "The spent-order ledger does not hold at line {line}",
        "Keep the file; call the security officer",
        "已用销毁单台账第 {line} 行不成立",
        "请保留文件并联系安全管理员",
    ),
    "level-not-reachable": Row(
        "Level {level} cannot be reached on {media} media by {technique}",
        "Order another level or technique, or the fallback",
        "在 {media} 介质上无法用 {technique} 达到 {level} 级",
        "请更改级别或方法，或采用备用方案",
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
    "log-inconsistent": Row(
        "The registry's log does not contain what this host has seen: {detail}",
        "Call the security officer",
        "登记机构日志与本机已见不一致：{detail}",
        "请联系安全管理员",
    ),
    "log-rolled-back": Row(
        "The registry's log is smaller ({found}) than this host has seen ({known})",
        "Call the security officer",
        "登记机构日志（{found}）小于本机已见（{known}）",
        "请联系安全管理员",
    ),
    "not-confirmed": Row(
        "Carrier {carrier} was not confirmed",
        "Type or scan its label or serial when asked, or give --confirm",
        "载体 {carrier} 未确认",
        "请输入或扫描其标签或序列号，或使用 --confirm",
    ),
    "not-proven": Row(
        "Level {level} is not proven for carrier {carrier}: {why}",
        "Read the certificate; use the order's fallback or ask for a new order",
        "载体 {carrier} 未证实达到 {level} 级：{why}",
        "请查看证书，采用备用方案或申请新的销毁单",
    ),
    "on-hold": Row(
        "Hold {hold} covers carrier {carrier}",
        "Ask who set the hold",
        "保全令 {hold} 涉及载体 {carrier}",
        "请询问设置保全令的人员",
    ),
    "open-failed": Row(
        "{where} cannot be opened: {error}",
        "See what holds it, then run 'expunge plan' again",
        "无法打开 {where}：{error}",
        "请查明原因后重新运行 expunge plan",
    ),
    "order-expired": Row(
        "The order expired at {at}",
        "Ask for a new order",
        "销毁单已于 {at} 失效",
        "请申请新的销毁单",
    ),
    "order-inconsistent": Row(
        "The order does not hold together: {detail}",
        "Have its author correct it and have it signed anew",
        "销毁单内容不一致：{detail}",
        "请出具人更正并重新签署",
    ),
    "order-not-yet-valid": Row(
        "The order is valid from {at}",
        "Wait until then",
        "销毁单自 {at} 起生效",
        "请届时再执行",
    ),
    "order-other-host": Row(
        "Carrier {carrier} may not be destroyed on this host",
        "Run it on a host that the order names",
        "载体 {carrier} 不得在本机销毁",
        "请在销毁单指定的主机上执行",
    ),
    "order-spent": Row(
        "The order was already used for carrier {carrier} (run {sequence})",
        "Use 'expunge resume' for a begun run; another attempt needs a new order",
        "销毁单对载体 {carrier} 已使用（第 {sequence} 次执行）",
        "续作请用 expunge resume；再次执行需要新的销毁单",
    ),
    "order-superseded": Row(
        "A newer order supersedes this one",
        "Use the newer order",
        "该销毁单已被新单取代",
        "请使用新的销毁单",
    ),
    "order-window": Row(
        "The order may be started from {begin} to {end}",
        "Start inside the window, or ask for a new order",
        "销毁单只能在 {begin} 至 {end} 开始执行",
        "请在时间窗口内执行",
    ),
    "plan-differs": Row(
        "The plan is now {found}, not {expected}",
        "Run 'expunge plan' again and read it",
        "计划现为 {found}，不是 {expected}",
        "请重新运行 expunge plan 并核对",
    ),
    "power-low": Row(
        "The battery holds {percent} % and no mains is connected",
        "Connect mains",
        "电池剩余 {percent}% 且未接电源",
        "请接通电源",
    ),
    "raw-storage-not-readable": Row(
        "The storage below {where} cannot be read",
        "Run as root to have the result proven",
        "无法读取 {where} 之下的存储",
        "请以 root 身份运行以便核实",
    ),
    "receipt-wrong": Row(
        "The receipt does not hold: {detail}",
        "Call the security officer: the registry's log may be forked",
        "回执不成立：{detail}",
        "请联系安全管理员，登记机构日志可能被篡改",
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
    "retention-not-ended": Row(
        "The retention period ends on {due}",
        "Wait until then",
        "保管期限至 {due}",
        "请届时再执行",
    ),
    "roles-not-distinct": Row(
        "Person {person} is both {first} and {second}",
        "Have different persons take these parts",
        "人员 {person} 同时担任 {first} 和 {second}",
        "请由不同人员分别担任",
    ),
    "rule-book-unknown": Row(
        "The claim cites rule book {found}, which this program does not know",
        "Use a newer version of this program",
        "结论引用的规则版本 {found} 未知",
        "请升级本程序",
    ),
    "rule-missing": Row(
        "The keyring has no rule for level {level} and grade {grade}",
        "Ask the keepers for a rule",
        "密钥册没有级别 {level}、等级 {grade} 的规则",
        "请密钥管理人补充规则",
    ),
    "rule-not-met": Row(
        "The order for carrier {carrier} (level {level}, grade {grade}) lacks approvals: {missing}",
        "Have the missing persons sign the order",
        "载体 {carrier}（级别 {level}，数据等级 {grade}）审批不足：{missing}",
        "请补齐审批签名",
    ),
    "same-person-twice": Row(
        "Person {person} appears twice in the order",
        "Name different persons for different parts",
        "人员 {person} 在销毁单中重复出现",
        "请由不同人员分别担任",
    ),
    "secrecy-gate": Row(
        "Asset {asset} is declared or suspected to hold state secrets; this tool never wipes such a carrier",
        "Hand the carrier over by the registration list written to {where}",
        "资产 {asset} 已标明或疑似涉及国家秘密，本工具不予处理",
        "请按清点登记表（{where}）移交保密行政管理部门指定单位",
    ),
    "selector-mismatch": Row(
        "The selector of carrier {carrier} is not the one that was signed",
        "Use the selector that the approvers saw",
        "载体 {carrier} 的选择文件与签署的不符",
        "请使用审批人见过的选择文件",
    ),
    "selector-missing": Row(
        "Carrier {carrier} needs its selector file",
        "Put the selector beside the order, or name it with --selector",
        "载体 {carrier} 缺少选择文件",
        "请将选择文件放在销毁单旁，或用 --selector 指定",
    ),
    "signature-bad": Row(
        "The signature by key {key} does not hold",
        "Treat the document as forged; ask its author",
        "密钥 {key} 的签名无效",
        "请按伪造文件处理，并询问出具人",
    ),
    "signature-missing": Row(
        "The signature of {who} is missing",
        "Have it signed",
        "缺少 {who} 的签名",
        "请补签",
    ),
    "signature-twice": Row(
        "Key {key} signed twice",
        "Have the document signed anew",
        "密钥 {key} 重复签名",
        "请重新签署",
    ),
    "signature-unknown-key": Row(
        "A signature is by key {key}, which the keyring does not list for this document",
        "Import the current keyring, or have the signature removed",
        "签名密钥 {key} 不在密钥册中",
        "请导入最新密钥册或删除该签名",
    ),
    "signature-wrong-role": Row(
        "Person {person} signed as {role}, which the keyring does not allow",
        "Have a person with that role sign",
        "人员 {person} 以 {role} 身份签名，密钥册未授权",
        "请由有该角色的人员签署",
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
    "stopped": Row(
        "The run was stopped by {by}",
        "Run 'expunge resume'",
        "执行被 {by} 停止",
        "请运行 expunge resume",
    ),
    "system-disk": Row(
        "{where} carries the running system",
        "There is no way to order this",
        "{where} 是本机系统所在磁盘",
        "此操作不可执行",
    ),
    "target-lost": Row(
        "{where} went away or changed during the run: {detail}",
        "Attach it again, then run 'expunge resume'",
        "{where} 在执行中断开或改变：{detail}",
        "请重新接入后运行 expunge resume",
    ),
    "technique-unknown": Row(
        "There is no technique {technique} for this kind of carrier",
        "See 'expunge techniques'",
        "该类载体没有方法 {technique}",
        "请查看 expunge techniques",
    ),
    "trust-missing": Row(
        "No trust anchor was given",
        "Give --trust FILE from a source you trust, not from the bundle",
        "未给出信任根",
        "请用 --trust 指定来自可信来源的文件",
    ),
    "witnesses-missing": Row(
        "The order names {found} witnesses; {needed} are needed",
        "Have the order name more witnesses",
        "销毁单指定了 {found} 名监销人，需要 {needed} 名",
        "请增加监销人",
    ),
}
