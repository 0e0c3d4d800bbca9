# ruff: noqa: E501  a sentence stands on one line, whatever its length
"""The audit's sentences, in English and Chinese; sentences of refusals stand in `reasons`."""

from __future__ import annotations

from certificates.render.words import WORDS

SENTENCES: dict[str, tuple[str, str]] = {
    "bundle-holds": (
        "{entries} entries, {size} bytes; every byte follows from the entries",
        "{entries} 个条目，共 {size} 字节；每个字节均由条目确定",
    ),
    "keyring-holds": (
        "{site}: versions 1 to {versions}, each signed by the keepers before and after, from the trusted root",
        "{site}：第 1 至 {versions} 版，每版均由新旧密钥管理人签署，始于受信任的根",
    ),
    "keyring-newer": (
        "{site}: version {used} was in force at the start though a newer one had been issued by then",
        "{site}：开工时使用第 {used} 版，而当时已签发更新版本",
    ),
    "start-holds": (
        "executor {person} declared the start at {at}, bound to this order and plan",
        "执行人 {person} 于 {at} 声明开工，与本销毁单及计划绑定",
    ),
    "order-holds": (
        "{order}: signed by {persons}; the rule for {level} of {grade} is met; roles distinct; inside its validity at {at}",
        "{order}：由{persons}签署；满足{grade}的{level}规则；角色互不重复；{at} 时在有效期内",
    ),
    "hold-holds": (
        "no hold covers it; state {sequence} of {at}, signed by the registry",
        "无保全令涉及；登记机构签署的第 {sequence} 号状态，时间 {at}",
    ),
    "hold-none": ("this site keeps no hold register", "本站点未设保全登记"),
    "certificate-holds": (
        "{number}: signed by host {host} (key {key}), {persons}",
        "{number}：由主机 {host}（密钥 {key}）、{persons}签署",
    ),
    "certificate-awaits": (
        "{number}: signed by host {host} (key {key}); still missing: {missing}",
        "{number}：由主机 {host}（密钥 {key}）签署；尚缺签名：{missing}",
    ),
    "binding-holds": (
        "order, keyring, start, hold state, selector, journal and {files} evidence files are the ones it names; it says what the order says",
        "销毁单、密钥册、开工声明、保全状态、选择文件、日志及 {files} 个证据文件均与证书所载一致；内容与销毁单相符",
    ),
    "journal-holds": (
        "run {sequence}: {entries} entries, chain unbroken, first and last match; its records and checks are the certificate's",
        "第 {sequence} 次执行：{entries} 条，链条完整，首尾相符；其记录与核验即证书所载",
    ),
    "journal-reproved": (
        "taken up again {times} times: {blocks} blocks written before were read again, {bad} of them differed, {anew} steps began anew",
        "中断后续作 {times} 次：复读此前写入的 {blocks} 块，其中 {bad} 块不符，{anew} 个步骤重新开始",
    ),
    "journal-revisited": (
        "ranges that had failed were tried again in {steps} steps; {left} bytes still failed",
        "对 {steps} 个步骤中写入失败的区域再次尝试，仍有 {left} 字节失败",
    ),
    "turn-shown": ("went after carrier {first}: {by}", "在载体 {first} 之后执行：{by}"),
    "turn-together": (
        "carrier {carrier} went after carrier {first}, and its certificate is here: {by}",
        "载体 {carrier} 在载体 {first} 之后执行，后者的证书在此：{by}",
    ),
    "turn-elsewhere": (
        "carrier {carrier} went after carrier {first}, whose certificate is not among what was given: {by}",
        "载体 {carrier} 在载体 {first} 之后执行，但所给材料中没有后者的证书：{by}",
    ),
    "turn-not-shown": (
        "nothing in the journal shows that carrier {first}, which goes first, had been carried out",
        "日志中没有证据表明应先执行的载体 {first} 已执行",
    ),
    "claim-proven": (
        "claim recomputed by {book}: {level}; {seen}",
        "按 {book} 重新推得结论：{level}。{seen}",
    ),
    "claim-proven-within": (
        "claim recomputed by {book}: {level} ({why}); {seen}",
        "按 {book} 重新推得结论：{level}（{why}）。{seen}",
    ),
    "claim-not-reached": (
        "claim recomputed by {book}: {ordered} not reached ({why}); {seen}",
        "按 {book} 重新推得结论：未达到{ordered}（{why}）。{seen}",
    ),
    "claim-unknown": (
        "claim recomputed by {book}: unknown whether {ordered} was reached ({why}); {seen}",
        "按 {book} 重新推得结论：是否达到{ordered}未知（{why}）。{seen}",
    ),
    "samples-hold": (
        "{read} of {blocks} positions recomputed from the seed, {digests} expected digests from the pattern; the registry's nonce came after the last write",
        "由种子重算 {blocks} 块中的 {read} 个抽样位置，由覆写模式重算 {digests} 个预期摘要；登记机构的随机数在最后一次写入之后给出",
    ),
    "samples-hold-local": (
        "{read} of {blocks} positions recomputed from the seed, {digests} expected digests from the pattern; positions chosen by this host alone",
        "由种子重算 {blocks} 块中的 {read} 个抽样位置，由覆写模式重算 {digests} 个预期摘要；抽样位置仅由本机选定",
    ),
    "samples-differ": (
        "{read} of {blocks} blocks were read and {bad} differ or were unread, so their digests cannot be recomputed",
        "共 {blocks} 块抽取 {read} 块，其中 {bad} 块不符或未读，摘要无法重算",
    ),
    "samples-spread": (
        "{read} of {blocks} blocks over {objects} objects; their layout is not in the bundle",
        "共 {blocks} 块抽取 {read} 块，分布于 {objects} 个对象；布局不在证据包内",
    ),
    "strata-hold": (
        "{read} of {blocks} positions over {strata} sections and {anchors} anchors recomputed, with the digest of what the pattern gives there; {chosen}",
        "重算 {blocks} 块中分布于 {strata} 个分区的 {read} 个抽样位置和 {anchors} 个锚点，以及覆写模式在这些位置的摘要；{chosen}",
    ),
    "strata-listed": (
        "{read} of {blocks} positions over {strata} sections and {anchors} anchors recomputed; {bad} blocks differ or were not read, as listed, and the digest of all others is the pattern's; {chosen}",
        "重算 {blocks} 块中分布于 {strata} 个分区的 {read} 个抽样位置和 {anchors} 个锚点；其中 {bad} 块不符或未读（已列出），其余各块的摘要与覆写模式一致；{chosen}",
    ),
    "raw-holds": (
        "the bytes of {count} blocks are in the bundle ({size} bytes), and every one is what the pattern gives there",
        "证据包内含 {count} 块的原始数据（{size} 字节），每一字节均与覆写模式一致",
    ),
    "profiles-hold": (
        "{count} speed profiles fit their records; {speeds}",
        "{count} 份速度曲线与记录相符；{speeds}",
    ),
    "drive-told": (
        "{count} answers of the drive about itself, in {files} files, are in form; that they are true is its word alone",
        "{files} 个文件中的 {count} 条硬盘自述格式正确；内容真实性仅由硬盘自身证明",
    ),
    "hunt-holds": (
        "{needles} samples and {names} names, taken before the first write, were looked for on {size} bytes: {found} found, {unread} bytes unread; the evidence lists the same, by labels that the selector's owner alone can open",
        "在 {size} 字节上查找首次写入前留取的 {needles} 个样本和 {names} 个名称：发现 {found} 处，{unread} 字节未能读取；证据所列与此一致，标签仅选择文件持有人可解",
    ),
    "hunt-short": (
        "samples were looked for on {size} bytes only: the devices below had {whole} before the first write",
        "仅在 {size} 字节上查找样本，而首次写入前底层设备共有 {whole} 字节",
    ),
    "hunt-size-untold": (
        "{needles} samples and {names} names, taken before the first write, were looked for on {size} bytes: {found} found, {unread} bytes unread; the evidence lists the same; nothing tells whether these bytes are all of the storage",
        "在 {size} 字节上查找首次写入前留取的 {needles} 个样本和 {names} 个名称：发现 {found} 处，{unread} 字节未能读取；证据所列与此一致；无从得知这是否为全部存储",
    ),
    "hunt-not-made": ("no hunt was made: {state}", "未作残留查找：{state}"),
    "withdrawal-told": (
        "{rows} rows were taken out; {objects} files of {size} bytes were held and overwritten",
        "已取出 {rows} 行；留置并覆写文件 {objects} 个，共 {size} 字节",
    ),
    "withdrawal-told-short": (
        "{rows} rows were taken out; {objects} files of {size} bytes were held and overwritten; not reached: {left}",
        "已取出 {rows} 行；留置并覆写文件 {objects} 个，共 {size} 字节；未触及：{left}",
    ),
    "names-told": (
        "freed entries of {directories} directories were written over, and {journal} bytes through the file system's journal",
        "已覆写 {directories} 个目录中释放的条目，并使文件系统日志写入 {journal} 字节",
    ),
    "names-told-short": (
        "freed entries of {directories} directories were written over, and {journal} bytes through the file system's journal; not reached: {left}",
        "已覆写 {directories} 个目录中释放的条目，并使文件系统日志写入 {journal} 字节；未触及：{left}",
    ),
    "fill-told": (
        "{filled} bytes of free space were written over, and none was left",
        "已覆写空闲空间 {filled} 字节，无一遗漏",
    ),
    "fill-told-short": (
        "{filled} bytes of free space were written over, {unreached} could not be had; not reached: {left}",
        "已覆写空闲空间 {filled} 字节，{unreached} 字节无法取得；未触及：{left}",
    ),
    "survivors-told": (
        "{after} of {before} rows that had to survive were counted afterwards; the engine's own check: {check}",
        "应保留 {before} 行，事后清点 {after} 行；数据库引擎自检：{check}",
    ),
    "receipt-holds": (
        "entry {number} of {origin}, {size} in all; inclusion proof and checkpoint hold; {cosignatures} cosignatures",
        "{origin} 第 {number} 号（共 {size} 号）；包含证明与检查点成立；{cosignatures} 个联署",
    ),
    "receipt-none": ("not registered: the bundle has no receipt", "未登记：证据包内没有回执"),
    "receipt-untrusted": (
        "the trust given names no registry log",
        "所给信任文件未列出登记日志",
    ),
    "validation-accept": (
        "{person} accepted the result at {at}: {reason}",
        "{person} 于 {at} 验收通过：{reason}",
    ),
    "validation-reject": (
        "{person} rejected the result at {at}: {reason}",
        "{person} 于 {at} 拒绝验收：{reason}",
    ),
    "validation-none": ("nobody has accepted or rejected the result yet", "尚无人验收"),
    "time-unchecked": (
        "a time-stamp token is there; check it with openssl ts",
        "含时间戳；请用 openssl ts 核验",
    ),
    "medium-matches": (
        "read again now: {matched} of {size} bytes match",
        "现已重新读取：{size} 字节中 {matched} 字节相符",
    ),
    "medium-differs": (
        "read again now: {matched} of {size} bytes match, {mismatched} differ, {unread} unread; it may have been used since",
        "现已重新读取：{size} 字节中 {matched} 字节相符，{mismatched} 字节不符，{unread} 字节未读；可能已另作他用",
    ),
    "medium-not-read": (
        "not re-read (give --against TARGET to do so)",
        "未重新读取（可用 --against 指定载体）",
    ),
    "medium-released": (
        "cannot be read again: its blocks were released, and belong to others now",
        "无法重新读取：所占数据块已释放，现归他用",
    ),
    "not-examined": ("not examined: {check} does not hold", "未核验：{check}不成立"),
    "runs-complete": (
        "host {host}: runs 1 to {last} are all here",
        "主机 {host}：第 1 至 {last} 次执行齐全",
    ),
    "runs-missing": (
        "host {host}: of runs 1 to {last}, {runs} are not here; ask for their journals",
        "主机 {host}：第 1 至 {last} 次执行中缺少 {runs}；请索取其日志",
    ),
    "run-twice": (
        "host {host}: run {sequence} appears with different certificates; the host may have been restored from a backup",
        "主机 {host}：第 {sequence} 次执行出现不同证书；该主机可能曾由备份恢复",
    ),
    "certificate-twice": (
        "certificate {certificate} is here {count} times",
        "证书 {certificate} 重复出现 {count} 次",
    ),
    "runs-chained": (
        "host {host}: {count} journals, each opening with the end of the one before",
        "主机 {host}：{count} 份日志首尾相接",
    ),
}
"""Code -> (English, Chinese)."""

NAMES: dict[str, tuple[str, str]] = {
    name.removeprefix("check-name."): words for name, words in WORDS.items() if name.startswith("check-name.")
}
"""Name of a check -> (English, Chinese)."""

CLASSES: dict[str, tuple[str, str]] = {
    "recomputable": ("recomputable", "可重算"),
    "re-runnable": ("re-runnable", "可重做"),
    "attested": ("attested", "凭陈述"),
}

VERDICTS: dict[str, tuple[str, str]] = {
    "proven": ("Proven, as far as this host told the truth.", "已证实（以该主机陈述属实为前提）。"),
    "not-proven": (
        "The documents hold. The claim is not proven.",
        "文件成立，但结论未证实。",
    ),
    "does-not-hold": (
        "A document does not hold. Treat this bundle as proof of nothing.",
        "有文件不成立。此证据包不能证明任何事项。",
    ),
}
