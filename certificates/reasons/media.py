"""Drives, volumes and containers: what stands in the way of erasing one, and what goes wrong meanwhile."""

from __future__ import annotations

from certificates.reasons.row import Row

REASONS: dict[str, Row] = {
    "array-not-whole": Row(
        "{where} is an array that is not whole: {detail}",
        "Wait until it is, or stop the array and have its members ordered as drives",
        "{where} 是不完整的阵列：{detail}",
        "请等待其恢复完整，或停止阵列并将各成员盘作为硬盘下达销毁令",
    ),
    "backing-file-gone": Row(
        "The file below {where} was deleted or replaced, or is out of sight",
        "Attach the image again, then run 'expunge plan' again",
        "{where} 的后备文件已删除、被替换或不可见",
        "请重新挂接镜像后再运行 expunge plan",
    ),
    "beside-system": Row(
        "{where} lies on the system's disk, and its type does not say that it holds data",
        "Where it does, give it a type for data (sfdisk --part-type), or have its files ordered",
        "{where} 位于系统所在磁盘，且其分区类型未表明存放数据",
        "如确为数据分区，请用 sfdisk --part-type 设置数据类型，或对其中的文件下达销毁令",
    ),
    "blocks-elsewhere": Row(
        "A write to {where} does not replace the blocks that it shows: {what}",
        "Order what it lies on, whole; or take the snapshot, cache or pool away first, and order a volume over the "
        "room that this leaves free too: what it kept stays there",
        "写入 {where} 并不替换其所示的数据块：{what}",
        "请对其下层整体下达销毁令；或先移除快照、缓存或存储池，并对由此腾出的空间建卷一并下达销毁令，因其所存内容仍在该处",
    ),
    "device-nameless": Row(
        "{where} reports neither a serial number nor a WWN, so an order cannot name it",
        "Attach it by another adapter, or use the order's fallback",
        "{where} 未报告序列号或 WWN，销毁单无法指明它",
        "请更换转接方式接入，或采用备用方案",
    ),
    "drive-locked": Row(
        "{where} is locked by an ATA password: nothing on it can be read or written",
        "Unlock it with its password, or use the order's fallback",
        "{where} 已被 ATA 密码锁定，无法读写",
        "请用其密码解锁，或采用备用方案",
    ),
    "header-backup-wrong": Row(
        "{where} is no header backup of this container, or is named twice",
        "Have the order name the right file",
        "{where} 不是该容器的头部备份，或被重复指定",
        "请在销毁单中指定正确的文件",
    ),
    "image-layered": Row(
        "{where} is a {format} image: its layers, snapshots and backing file may hold the data in other places",
        "Flatten it to a raw image first, and order this file and each of its backing files as files",
        "{where} 是 {format} 格式映像：其分层、快照和后备文件可能在别处保存数据",
        "请先转换为 raw 映像，并将本文件及其各后备文件作为文件下达销毁令",
    ),
    "in-use": Row(
        "{where} is in use: {by}",
        "Release it, then run 'expunge plan' again",
        "{where} 正在使用：{by}",
        "请停止使用后重新运行 expunge plan",
    ),
    "layer-unclear": Row(
        "What {where} is made of cannot be told for sure: {detail}",
        "Run it as root; where that does not help, order what it lies on",
        "无法确定 {where} 的构成：{detail}",
        "请以 root 身份运行；仍无法确定时，请对其下层下达销毁令",
    ),
    "loop-not-whole-file": Row(
        "{where} shows a part of its file, or another device: the order cannot say which",
        "Attach the whole image file, or order the other device itself",
        "{where} 只显示文件的一部分或另一设备，销毁令无法指明",
        "请挂接整个镜像文件，或直接对该设备下达销毁令",
    ),
    "luks-header-missing": Row(
        "{where} holds no intact LUKS2 header",
        "Check which container is meant; have the order name another level or technique",
        "{where} 没有完整的 LUKS2 头部",
        "请核对容器，或在销毁单中改用其他级别或技术",
    ),
    "luks-not-encrypted": Row(
        "Part of {where} is not encrypted: the container is being made around it, or uses no cipher",
        "Finish the encryption, or order the whole device to be overwritten",
        "{where} 的部分数据尚未加密：容器正在原地加密，或未使用加密算法",
        "请完成加密，或改为覆写整个设备",
    ),
    "luks-version": Row(
        "{where} is a LUKS1 container; only LUKS2 headers are destroyed by this technique",
        "Order the whole device to be overwritten",
        "{where} 是 LUKS1 容器，本技术仅支持 LUKS2",
        "请改为覆写整个设备",
    ),
    "open-failed": Row(
        "{where} cannot be opened: {error}",
        "See what holds it, then run 'expunge plan' again",
        "无法打开 {where}：{error}",
        "请查明原因后重新运行 expunge plan",
    ),
    "partition-extended": Row(
        "{where} is an extended partition: it holds the table of other partitions, and no data",
        "Order the partitions in it, or the whole disk",
        "{where} 是扩展分区，只存放其他分区的分区表",
        "请对其中的各分区或整个磁盘下达销毁令",
    ),
    "paths-differ": Row(
        "The paths of {where} do not lead to one drive: {what}",
        "Have the multipath map set up anew, then run 'expunge plan' again",
        "{where} 的各路径并非指向同一硬盘：{what}",
        "请重新建立多路径映射后再运行 expunge plan",
    ),
    "raw-storage-not-readable": Row(
        "The storage below {where} cannot be read",
        "Run as root to have the result proven",
        "无法读取 {where} 之下的存储",
        "请以 root 身份运行以便核实",
    ),
    "read-only": Row(
        "{where} is read-only",
        "Lift the write protection, then run 'expunge plan' again",
        "{where} 为只读",
        "请解除写保护后重新运行 expunge plan",
    ),
    "sector-size-foreign": Row(
        "{where} has sectors of {size} bytes, which this system cannot address",
        "Have it formatted to 512-byte sectors ('{how}'), then run 'expunge plan' again, or use the order's fallback",
        "{where} 的扇区为 {size} 字节，本系统无法寻址",
        "请格式化为 512 字节扇区（{how}）后重新运行 expunge plan，或采用备用方案",
    ),
    "system-disk": Row(
        "{where} carries the running system",
        "There is no way to order this",
        "{where} 是本机系统所在磁盘",
        "此操作不可执行",
    ),
    "target-hangs": Row(
        "{where} has not answered for {seconds} s; what the journal shows is done stays done",
        "Restart it or unplug it, then run 'expunge resume'; if it stays so, the order says: {otherwise}",
        "{where} 已 {seconds} 秒没有响应；日志所示的已完成部分仍然有效",
        "请重启或拔下该设备后运行 expunge resume；如仍无响应，指令规定：{otherwise}",
    ),
    "target-lost": Row(
        "{where} went away or changed during the run: {detail}",
        "Attach it again, then run 'expunge resume'",
        "{where} 在执行中断开或改变：{detail}",
        "请重新接入后运行 expunge resume",
    ),
    "target-unwritten": Row(
        "Nothing of what the journal says was written is on {where}: another one that calls itself the same, or one"
        " that lost all of it. Nothing was written to it now",
        "Attach the one that was begun, then run 'expunge resume'; if it is this one, a new order begins it anew, or"
        " the order says: {otherwise}",
        "日志所示的已写内容在 {where} 上完全不存在：是另一台自报身份相同的设备，或其内容已全部丢失。本次未写入任何数据",
        "请接入已开始执行的那台设备后运行 expunge resume；如确系本设备，请以新指令重新开始，或按指令规定：{otherwise}",
    ),
    "too-many-errors": Row(
        "{where} failed {errors} times, more than the {limit} that the site allows",
        "Run 'expunge resume' to try again; if it stays so, the order says: {otherwise}",
        "{where} 失败 {errors} 次，超过本站点允许的 {limit} 次",
        "请运行 expunge resume 重试；如仍如此，指令规定：{otherwise}",
    ),
    "too-slow": Row(
        "{where} took {rate} bytes a second over {seconds} s, less than the {limit} that the site demands",
        "Run 'expunge resume' to try again; if it stays so, the order says: {otherwise}",
        "{where} 在 {seconds} 秒内平均每秒 {rate} 字节，低于本站点要求的 {limit}",
        "请运行 expunge resume 重试；如仍如此，指令规定：{otherwise}",
    ),
    "volume-internal": Row(
        "{where} is a hidden part of another volume ({what})",
        "Order that volume, or the drives below",
        "{where} 是另一卷的内部组成部分（{what}）",
        "请对该卷或其下层硬盘下达销毁令",
    ),
    "volume-nameless": Row(
        "{where} ({layer}) has no id that outlives its erasure, so an order cannot name it",
        "Order what it lies on",
        "{where}（{layer}）没有在销毁后仍存在的标识，销毁单无法指明它",
        "请对其下层下达销毁令",
    ),
}
