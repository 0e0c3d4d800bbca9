# ruff: noqa: E501  a rule stands on one line
"""How the HTML page looks: ink on paper, nothing said by colour alone."""

from __future__ import annotations

STYLE = """
@page { size: A4; margin: 12mm 14mm }
* { box-sizing: border-box }
html { background: #d9dce0; color: #15181c; font: 9.2pt/1.42 "Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC",
  "Microsoft YaHei", "Helvetica Neue", Arial, sans-serif; -webkit-print-color-adjust: exact; print-color-adjust: exact }
body { margin: 0; padding: 8mm 0 }
.sheet { width: 210mm; min-height: 297mm; margin: 0 auto 8mm; padding: 12mm 15mm 9mm; background: #fff;
  box-shadow: 0 1px 5px #0003; display: flex; flex-direction: column; gap: 2.6mm }
header { text-align: center; border-bottom: .6mm double #15181c; border-bottom: 3px double #15181c; padding-bottom: 2mm }
h1 { font: 600 21pt/1.25 "Noto Serif CJK SC", "Source Han Serif SC", "Songti SC", SimSun, Georgia, serif; margin: 0 }
[lang=zh-CN] h1 { letter-spacing: .28em; text-indent: .28em }
.raw h1 { font-size: 14pt }
.number { margin: 1mm 0 0; display: flex; justify-content: space-between; font-size: 8.4pt; color: #3d444c }
.verdict { display: flex; gap: 4mm; align-items: center; border: .5mm solid #15181c; padding: 2.2mm 4mm }
.verdict b { font-size: 19pt; line-height: 1; font-family: "DejaVu Sans", sans-serif }
.verdict p { margin: 0; font-size: 12pt; font-weight: 600; line-height: 1.35 }
.status { list-style: none; display: grid; grid-template-columns: auto auto 1fr 1.2fr; gap: 0 6mm; margin: 0; padding: 0 }
.status li { display: flex; gap: 1.6mm; align-items: baseline }
.status b { font-family: "DejaVu Sans", sans-serif; font-size: 8pt }
.status span { color: #56606b; white-space: nowrap }
.status em { font-style: normal; overflow-wrap: anywhere }
h2 { font-size: 8.6pt; margin: 0 0 .8mm; padding-bottom: .4mm; border-bottom: .25mm solid #15181c; letter-spacing: .05em }
h3 { font-size: 7.6pt; font-weight: 400; color: #56606b; margin: 1.2mm 0 .5mm }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 7mm }
dl { display: grid; grid-template-columns: 25mm 1fr; gap: .35mm 3mm; margin: 0 }
.two dl { grid-template-columns: 23mm 1fr }
dt { color: #56606b }
dd { margin: 0; overflow-wrap: anywhere }
dd.on { grid-column: 2 }
.check dl { grid-template-columns: 1fr }
.check dd.on { grid-column: 1; padding-left: 1.2em; text-indent: -1.2em }
table { border-collapse: collapse; width: 100%; margin-top: .6mm }
th, td { text-align: left; vertical-align: top; padding: .35mm 2.4mm .35mm 0; border-bottom: .12mm solid #c6ccd3;
  overflow-wrap: anywhere }
th { font-weight: 400; color: #56606b; font-size: 8pt }
code, pre { font: 7.6pt/1.35 "DejaVu Sans Mono", "Noto Sans Mono CJK SC", Menlo, Consolas, monospace; overflow-wrap: anywhere;
  white-space: pre-wrap; text-indent: 0 }
.picture { margin-top: .6mm }
.map { display: block; width: 100%; height: 6mm; border: .2mm solid #15181c }
.speed { display: block; width: 100%; height: 11mm; margin-top: 1mm; border-bottom: .2mm solid #15181c }
.scale { display: flex; justify-content: space-between; font-size: 7.2pt; color: #56606b; margin-top: .5mm }
.key { margin: 0 2mm; white-space: nowrap }
.key svg { margin-right: 1mm; vertical-align: -1px }
.m-matched { fill: url(#p-matched) } .m-sampled { fill: url(#p-sampled) } .m-written { fill: #e9ecef }
.m-differs { fill: url(#p-differs) } .m-unread { fill: url(#p-unread) } .m-not_written { fill: #15181c }
.last { display: grid; grid-template-columns: 1fr 27mm; gap: 6mm; margin-top: auto }
figure { margin: 0; text-align: center }
.qr { width: 25mm; height: 25mm; display: block; margin: 0 auto }
figcaption { font-size: 7pt; margin-top: .8mm; overflow-wrap: anywhere }
footer { text-align: center; font-size: 7.4pt; color: #56606b; border-top: .2mm solid #15181c; padding-top: 1mm }
.raw dl { grid-template-columns: 48mm 1fr }
.raw pre { margin: 0; font-size: 6.6pt }
@media print {
  html, body { background: none; padding: 0 }
  .sheet { box-shadow: none; margin: 0; padding: 0; width: auto; min-height: 0; break-after: page }
  .raw { break-after: auto }
}
"""
