// Draw each Mermaid block of a page as docs/images/PAGE-1.svg, PAGE-2.svg …, for the site, which loads no scripts from elsewhere.
//
//     npm install --no-save beautiful-mermaid && node docs/draw_diagrams.mjs docs/design.md
//
// GitHub draws the blocks itself. A test fails where a picture is not of the block as it reads now.
import { renderMermaidSVG } from 'beautiful-mermaid'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'

const page = process.argv[2]
const blocks = readFileSync(page, 'utf8').matchAll(/^```mermaid\n(.*?)^```$/gms)
let count = 0
for (const [, block] of blocks) {
  count += 1
  const digest = createHash('sha256').update(block).digest('hex')
  const svg = renderMermaidSVG(block, { font: 'system-ui' }).replace(/^.*@import url.*\n/m, '')
  writeFileSync(`docs/images/${basename(page, '.md')}-${count}.svg`, `${svg}<!-- ${digest} -->\n`)
}
