// Draw each Mermaid block of a page as docs/images/PAGE-1.svg, PAGE-2.svg …, for the site, which loads no scripts from elsewhere.
//
//     npm install --no-save beautiful-mermaid && node docs/draw_diagrams.mjs docs/design.md
//
// GitHub draws the blocks itself. A test fails where a picture is not of the block as it reads now.
import { renderMermaidSVG } from 'beautiful-mermaid'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'

// Plain colours in place of CSS variables, which only browsers resolve.
const COLOURS = {
  '--bg': '#ffffff', '--fg': '#27272a', '--_text': '#27272a', '--_text-sec': '#52525b', '--_text-muted': '#71717a',
  '--_text-faint': '#a1a1aa', '--_line': '#a1a1aa', '--_arrow': '#52525b', '--_node-fill': '#eef2f6',
  '--_node-stroke': '#94a3b8', '--_group-fill': '#ffffff', '--_group-hdr': '#f4f4f5', '--_inner-stroke': '#e4e4e7',
  '--_key-badge': '#e4e4e7'
}

const page = process.argv[2]
const blocks = readFileSync(page, 'utf8').matchAll(/^```mermaid\n(.*?)^```$/gms)
let count = 0
for (const [, block] of blocks) {
  count += 1
  const digest = createHash('sha256').update(block).digest('hex')
  let svg = renderMermaidSVG(block).replace(/^.*@import url.*\n/m, '').replace(/^ *--_.*\n/gm, '')
  for (const [name, colour] of Object.entries(COLOURS)) svg = svg.replaceAll(`var(${name})`, colour)
  writeFileSync(`docs/images/${basename(page, '.md')}-${count}.svg`, `${svg}<!-- ${digest} -->\n`)
}
