# ruff: noqa: E501  a rule stands on one line
"""How the HTML page looks: ink on paper, nothing said by colour alone."""

from __future__ import annotations

STYLE = """
@page { size: A4; margin: 10mm 14mm }
* { box-sizing: border-box }
html { background: #d9dce0; color: #15181c; font: 7.7pt/1.34 "Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC",
  "Microsoft YaHei", "Helvetica Neue", Arial, sans-serif; -webkit-print-color-adjust: exact; print-color-adjust: exact }
body { margin: 0; padding: 8mm 0 }
.sheet { width: 210mm; min-height: 297mm; margin: 0 auto 8mm; padding: 11mm 15mm 8mm; background: #fff;
  box-shadow: 0 1px 5px #0003; display: flex; flex-direction: column; gap: 1.9mm }
header { text-align: center; border-bottom: 3px double #15181c; padding-bottom: 1.6mm }
h1 { font: 600 20pt/1.2 "Noto Serif CJK SC", "Source Han Serif SC", "Songti SC", SimSun, Georgia, serif; margin: 0 }
article[lang=zh-CN] h1 { letter-spacing: .26em; text-indent: .26em }
.raw h1 { font-size: 13pt }
.number { margin: .8mm 0 0; display: flex; justify-content: space-between; color: #3d444c }
.verdict { display: flex; gap: 4mm; align-items: center; border: .5mm solid #15181c; padding: 2mm 4mm }
.verdict b { font: 18pt/1 "DejaVu Sans", sans-serif }
.verdict p { margin: 0; font-size: 11.5pt; font-weight: 600; line-height: 1.32 }
.status { list-style: none; display: grid; grid-template-columns: 1fr 1.5fr; gap: .3mm 6mm; margin: 0; padding: 0 }
.status li { display: flex; gap: 1.6mm; align-items: baseline }
.status b { font: 7pt/1 "DejaVu Sans", sans-serif }
.status span { color: #56606b; white-space: nowrap }
.status em { font-style: normal; overflow-wrap: anywhere }
h2 { font-size: 7.9pt; margin: 0 0 .7mm; padding-bottom: .3mm; border-bottom: .25mm solid #15181c; letter-spacing: .05em }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 7mm }
dl { display: grid; grid-template-columns: 25mm 1fr; gap: .2mm 3mm; margin: 0 }
.two dl { grid-template-columns: 24mm 1fr }
.assets dl { display: flex; flex-wrap: wrap; gap: 0 7mm; margin-bottom: .8mm }
.assets dt { margin-right: -4.5mm }
dt { color: #56606b }
dd { margin: 0; overflow-wrap: anywhere }
dd.on { grid-column: 2 }
.check dl { grid-template-columns: 1fr }
.check dd.on { grid-column: 1; padding-left: 1.3em; text-indent: -1.3em }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25mm 2.4mm .25mm 0; border-bottom: .12mm solid #c6ccd3;
  overflow-wrap: anywhere }
th { font-weight: 400; color: #56606b }
code, pre { font: 6.8pt/1.32 "DejaVu Sans Mono", "Noto Sans Mono CJK SC", Menlo, Consolas, monospace;
  overflow-wrap: anywhere; white-space: pre-wrap; text-indent: 0 }
.picture { display: grid; grid-template-columns: 25mm 1fr; gap: .6mm 3mm; margin-top: .8mm }
.picture h3 { font-size: inherit; font-weight: 400; color: #56606b; margin: 0 }
.map { display: block; width: 100%; height: 5mm; border: .2mm solid #15181c }
.speed { display: block; width: 100%; height: 8mm; border-bottom: .2mm solid #15181c }
.scale { display: flex; justify-content: space-between; font-size: 6.8pt; color: #56606b }
.key { margin: 0 2mm; white-space: nowrap }
.key svg { margin-right: 1mm; vertical-align: -1px }
.m-matched { fill: url(#p-matched) } .m-sampled { fill: url(#p-sampled) } .m-written { fill: #e9ecef }
.m-differs { fill: url(#p-differs) } .m-unread { fill: url(#p-unread) } .m-not_written { fill: #15181c }
.last { display: grid; grid-template-columns: 1fr 25mm; gap: 6mm; margin-top: auto }
figure { margin: 0; text-align: center }
.qr { width: 22mm; height: 22mm; display: block; margin: 0 auto }
figcaption { font-size: 6.4pt; margin-top: .6mm; overflow-wrap: anywhere }
footer { text-align: center; font-size: 7pt; color: #56606b; border-top: .2mm solid #15181c; padding-top: .8mm }
.raw dl { grid-template-columns: 48mm 1fr }
.raw pre { margin: 0; font-size: 6.2pt; columns: 2; column-gap: 6mm }
@media print {
  html, body { background: none; padding: 0 }
  .sheet { box-shadow: none; margin: 0; padding: 0; width: auto; min-height: 0; break-after: page }
  .raw { break-after: auto; display: block }
  .raw section { margin-bottom: 2.4mm }
}
"""
