"""Orders: what they allow, who approved them, what holds them back, in which turn their carriers go."""

from __future__ import annotations

from certificates.reasons.row import Row

REASONS: dict[str, Row] = {
    "after-unfounded": Row(
        "{name}, handed over with --after, shows nothing of this order: {detail}",
        "Give the certificate's bundle of a carrier that goes first, or the Start of a standby that was begun",
        "--after 给出的 {name} 不能证明本销毁单的进展：{detail}",
        "请给出应先执行的载体的证据包，或已开始的备库的开始声明",
    ),
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
        "Detach all but the one with the right label; the order stays good as it is",
        "载体 {carrier} 对应 {count} 个不同对象：{what}",
        "请只保留标签相符的一个，其余断开；原销毁单仍然有效",
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
    "copies-in-one-run": Row(
        "Carrier {copy} holds copies of carrier {carrier}: in one run the server could write there what is taken out",
        "Run {carrier} alone first (--carrier), then {copy}",
        "载体 {copy} 存有载体 {carrier} 的副本：同一次运行中服务器可能再次写入正在取出的数据",
        "请先单独运行 {carrier}（--carrier），再运行 {copy}",
    ),
    "copies-not-ordered": Row(
        "The server of carrier {carrier} knows of {count} x {what} that the order does not name",
        "Name each that 'expunge plan' shows in the carrier's copies, or let the site's policy list them "
        "(lists_unordered_copies)",
        "载体 {carrier} 所在服务器另有 {count} 个 {what}，销毁单未列明",
        "请在该载体的副本中逐一列明 expunge plan 所示者（作为单独载体或声明不在本单范围），"
        "或由站点策略允许仅列示（lists_unordered_copies）",
    ),
    "copy-before-rows": Row(
        "Carrier {copy} holds copies of carrier {carrier}, which goes first and has no certificate here: what is taken "
        "out later could be written to the copy again",
        "Run {carrier} first, or resume it; where another host does, bring its certificate's bundle: --after FILE",
        "载体 {copy} 存有载体 {carrier} 的副本；应先执行 {carrier}，而此处尚无其证书：之后取出的数据可能再次写入副本",
        "请先运行或继续 {carrier}；由其他主机执行的，请带来其证据包：--after FILE",
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
    "doubt-accepted": Row(
        "A result with grounds for doubt cannot be accepted: {grounds}",
        "Reject it, or correct the grounds",
        "存在疑点的结果不能接受：{grounds}",
        "请拒绝，或更正疑点",
    ),
    "draft-wrong": Row(
        "{where} cannot be used as it stands: {faults}",
        "Correct it, then run the command again",
        "{where} 有误：{faults}",
        "请更正后重新运行",
    ),
    "hold-empty": Row(
        "The hold covers nothing",
        "Name what it covers: --asset, --serial, --order or --everything",
        "保全未指明范围",
        "请用 --asset、--serial、--order 或 --everything 指明范围",
    ),
    "hold-state-changed": Row(
        "Another hold state was taken in while this run was about to begin",
        "Run the command again",
        "本次执行即将开始时导入了另一份保全状态",
        "请重新运行该命令",
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
    "hold-unknown": Row(
        "This site knows no hold {hold}",
        "See 'expunge hold list'",
        "本站点没有保全 {hold}",
        "请查看 expunge hold list",
    ),
    "identity-changed": Row(
        "{where} is no longer what was planned ({fact}: found {found}, expected {expected})",
        "Run 'expunge plan' again",
        "{where} 已不是计划的对象（{fact}：现为 {found}，应为 {expected}）",
        "请重新运行 expunge plan",
    ),
    "late-refusal": Row(
        "A check failed after the run had begun: {detail}",
        "Mend it, then run 'expunge resume'",
        "执行开始后检查未通过：{detail}",
        "请处理后运行 expunge resume",
    ),
    "level-not-reachable": Row(
        "Level {level} cannot be reached on {media} media by {technique}",
        "Order another level or technique, or the fallback",
        "在 {media} 介质上无法用 {technique} 达到 {level} 级",
        "请更改级别或技术，或采用备用方案",
    ),
    "matching-empty": Row(
        "No card and drive are left for an order",
        "Look at what the draft leaves out, then run the command again",
        "没有可列入销毁单的卡片和硬盘",
        "请查看草稿所排除的内容后重新运行",
    ),
    "matching-incomplete": Row(
        "Cards and drives do not all go together: {stopping} findings stop the draft. No order was written",
        "Settle what is listed, or give --partial to leave it out",
        "卡片与硬盘未全部对应：有 {stopping} 项阻止起草，未生成销毁单",
        "请处理所列事项，或用 --partial 将其排除",
    ),
    "named-twice": Row(
        "{where} is named by several open orders: {orders}",
        "Void or supersede all but one of them, or carry one out with 'expunge run ORDER'",
        "{where} 被多份有效销毁单指名：{orders}",
        "请作废或替代其余销毁单，或用 expunge run 单独执行其一",
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
    "order-too-large": Row(
        "The order would have {carriers} carriers and {assets} assets, and may have {most_carriers} and {most_assets}",
        "Give --split to make several orders of it",
        "销毁单将有 {carriers} 个载体和 {assets} 项资产，上限为 {most_carriers} 和 {most_assets}",
        "请用 --split 拆分为多份销毁单",
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
    "policy-allows-nothing": Row(
        "Carrier {carrier}: policy {policy} allows none of the techniques in question; medium: {media} ({why})",
        "Order another technique, scheme or policy; see 'expunge techniques --policies'",
        "载体 {carrier}：策略 {policy} 不允许在 {media} 介质上采用所涉技术（{why}）",
        "请在销毁单中改用其他技术、方案或策略；见 expunge techniques --policies",
    ),
    "policy-hidden-area": Row(
        "Carrier {carrier}: policy {policy} wants hidden areas reset first, and {where} has one",
        "Reset it with the drive's own tools (see 'expunge targets') and order anew, or without that policy",
        "载体 {carrier}：策略 {policy} 要求先取消隐藏区域，而 {where} 存在隐藏区域",
        "请先用硬盘工具取消隐藏区域（见 expunge targets），再重新勘查并开单；或不引用该策略",
    ),
    "policy-unknown": Row(
        "There is no policy {policy}; known are {known}",
        "Correct the order, or the site's configuration",
        "没有策略 {policy}；已知策略：{known}",
        "请更正销毁单或站点配置",
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
    "rows-before-copy": Row(
        "Carrier {copy} holds copies of carrier {carrier} on the same file system, whose history is to go too: the "
        "hunt would find them",
        "Run both in one run, or {copy} first",
        "载体 {copy} 与 {carrier} 同在一个文件系统并存有其副本，而 {carrier} 要求清除历史残留：查找时会发现它们",
        "请在同一次运行中执行两者，或先执行 {copy}",
    ),
    "rows-left": Row(
        "By its certificate carrier {carrier} was not reached: carrier {copy}, which holds copies of it, could be "
        "filled from it again",
        "Have a new order approved that names {carrier} and {copy} again",
        "载体 {carrier} 的证书表明未达成：其副本载体 {copy} 可能再次由它写入",
        "请另行报批新的销毁单，再次列明 {carrier} 和 {copy}",
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
    "scheme-name-taken": Row(
        "Carrier {carrier}: the order's own scheme has the name of a technique of this program, {scheme}",
        "Give the scheme an id of its own, or order that technique by its name",
        "载体 {carrier}：销毁单自带方案与本程序技术 {scheme} 同名",
        "请为方案另取名称，或直接指定该技术",
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
    "standby-not-begun": Row(
        "Carrier {copy} is a standby that replays carrier {carrier}: it takes its samples before the rows go, so it "
        "begins first",
        "Begin {copy} on its host; it then waits. Where that is another host, bring its Start from there: --after FILE",
        "载体 {copy} 是重放载体 {carrier} 的备库：须在数据取出之前取样，因此应先开始",
        "请先在其主机上开始 {copy}，它随后会等待；在其他主机上的，请带来其开始声明：--after FILE",
    ),
    "technique-unknown": Row(
        "There is no technique {technique} for this kind of carrier",
        "See 'expunge techniques'",
        "该类载体没有技术 {technique}",
        "请查看 expunge techniques",
    ),
    "witnesses-missing": Row(
        "The order names {found} witnesses; {needed} are needed",
        "Have the order name more witnesses",
        "销毁单指定了 {found} 名监销人，需要 {needed} 名",
        "请增加监销人",
    ),
}
