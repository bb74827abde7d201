// The SQL page: runs the editor's text through the query API and shows what comes back. Values are only set as text.
'use strict'

const SHOWN_ROWS = 2000
const HISTORY = 20
const $ = (id) => document.getElementById(id)
const editor = $('editor')
const query = $('query')
const store = `hedgerow-sql-${editor.dataset.project}`
let running = null
let last = null

const mac = /Mac|iPhone|iPad/.test(navigator.platform)
if (mac) for (const id of ['keys', 'keys-again']) $(id).textContent = '⌘ ↵'

function load(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(`${store}-${name}`)) ?? otherwise
  } catch {
    return otherwise
  }
}

function save(name, value) {
  try {
    localStorage.setItem(`${store}-${name}`, JSON.stringify(value))
  } catch {
    // Storage is full or forbidden: the page works without it.
  }
}

function element(tag, className, text) {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

function shown(value) {
  return value === null || value === undefined ? 'null' : typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function typeOf(types, index) {
  const type = types?.[index]
  return Array.isArray(type) ? type[1] : type
}

const numeric = (type) => /^(Nullable\()?(U?Int|Float|Decimal)/.test(type ?? '')

function table(answer) {
  const box = element('table')
  const head = element('tr')
  const numbers = answer.columns.map((_, index) => numeric(typeOf(answer.types, index)))
  answer.columns.forEach((name, index) => {
    const cell = element('th', numbers[index] ? 'number' : '', name)
    cell.scope = 'col'
    const type = typeOf(answer.types, index)
    if (type) cell.append(element('small', '', type))
    head.append(cell)
  })
  box.append(element('thead'), element('tbody'))
  box.tHead.append(head)
  for (const values of answer.results.slice(0, SHOWN_ROWS)) {
    const line = element('tr')
    values.forEach((value, index) => {
      const kind = [numbers[index] && 'number', value === null && 'null'].filter(Boolean).join(' ')
      line.append(element('td', kind, shown(value)))
    })
    box.tBodies[0].append(line)
  }
  return box
}

function position(body) {
  const found = { ...body, ...(body.extra ?? {}) }
  if (Number.isInteger(found.start)) return { start: found.start, end: found.end ?? found.start, line: found.line, column: found.column }
  const named = /line (\d+),? col(?:umn)?:? (\d+)/i.exec(body.detail ?? '')
  const line = found.line ?? (named && Number(named[1]))
  const column = found.column ?? found.col ?? (named && Number(named[2]))
  if (!line) return null
  const before = query.value.split('\n').slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0)
  const start = before + Math.max(0, (column || 1) - 1)
  return { start, end: start, line, column }
}

function showError(title, body) {
  $('error').hidden = false
  $('error-title').textContent = title
  $('error-detail').textContent = body.detail ?? ''
  $('error-code').textContent = body.code ? `Code: ${body.code}` : ''
  const place = position(body)
  const button = $('error-where')
  button.hidden = !place
  if (!place) return
  button.textContent = place.line ? `Go to line ${place.line}, column ${place.column}` : 'Go to the place'
  button.onclick = () => {
    query.focus()
    query.setSelectionRange(place.start, Math.max(place.end, place.start + 1))
  }
}

function showAnswer(answer, seconds) {
  const rows = answer.results.length
  const more = answer.hasMore ? ' (there are more)' : ''
  const cut = rows > SHOWN_ROWS ? `, the first ${SHOWN_ROWS.toLocaleString()} are shown` : ''
  $('summary').textContent = `${rows.toLocaleString()} ${rows === 1 ? 'row' : 'rows'}${more}${cut} in ${seconds.toFixed(2)} s`
  $('table-box').replaceChildren(table(answer))
  $('table-box').hidden = false
  $('csv').hidden = false
  last = answer
}

function busy(on) {
  $('run').disabled = on
  $('cancel').hidden = !on
  $('results-empty').hidden = true
  if (!on) return
  $('results-head').hidden = false
  $('summary').textContent = 'Running…'
  $('error').hidden = true
}

async function run() {
  const text = query.value.trim()
  if (!text || running) return
  running = new AbortController()
  $('plain-results')?.remove() // what a plain form had brought
  $('results').hidden = false
  const started = performance.now()
  busy(true)
  try {
    const response = await fetch(editor.dataset.query, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-CSRFToken': window.hedgerow.csrfToken() },
      body: JSON.stringify({ query: { kind: 'HogQLQuery', query: text } }),
      signal: running.signal,
    })
    if (response.status === 401) return location.reload()
    const body = await response.json().catch(() => ({ detail: `The server answered ${response.status}.` }))
    if (response.ok) {
      showAnswer(body, (performance.now() - started) / 1000)
      remember(text)
    } else {
      clearRows()
      showError(response.status >= 500 ? 'The query did not finish' : 'The query was refused', body)
    }
  } catch (error) {
    clearRows()
    if (error.name === 'AbortError') {
      $('results-head').hidden = false
      $('summary').textContent = 'Cancelled'
    }
    else showError('No answer', { detail: 'Hedgerow did not answer. Is it running?' })
  } finally {
    running = null
    busy(false)
  }
}

function clearRows() {
  $('summary').textContent = ''
  $('results-head').hidden = true
  $('table-box').hidden = true
  $('csv').hidden = true
  last = null
}

function csv(answer) {
  // A leading quote keeps a spreadsheet from running a value that looks like a formula.
  const field = (value) => {
    const text = value === null ? '' : shown(value)
    const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
  }
  return [answer.columns, ...answer.results].map((values) => values.map(field).join(',')).join('\r\n')
}

function download() {
  const link = element('a')
  link.href = URL.createObjectURL(new Blob([csv(last)], { type: 'text/csv' }))
  link.download = 'hedgerow-query.csv'
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1000)
}

function put(text) {
  query.value = text
  save('draft', text)
  for (const menu of document.querySelectorAll('.editor details[open]')) menu.open = false
  query.focus()
}

function remember(text) {
  const known = load('history', []).filter((item) => item !== text)
  save('history', [text, ...known].slice(0, HISTORY))
  drawHistory()
}

function drawHistory() {
  const known = load('history', [])
  $('history-menu').hidden = !known.length
  $('history').replaceChildren(
    ...known.map((text) => {
      const item = element('li')
      const button = element('button', 'quiet wide left')
      button.type = 'button'
      button.append(element('span', 'history-text', text))
      button.addEventListener('click', () => put(text))
      item.append(button)
      return item
    })
  )
}

editor.addEventListener('submit', (event) => {
  event.preventDefault()
  run()
})
query.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault()
    run()
  }
})
query.addEventListener('input', () => save('draft', query.value))
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && running) running.abort()
  if (event.key === '/' && event.target === document.body) {
    event.preventDefault()
    query.focus()
  }
})
$('cancel').addEventListener('click', () => running?.abort())
$('csv').addEventListener('click', download)
for (const button of document.querySelectorAll('[data-sample]')) button.addEventListener('click', () => put(button.dataset.sample))

const draft = load('draft', '')
if (draft) query.value = draft
drawHistory()
