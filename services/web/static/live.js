// Live events. What strangers sent is only ever set as text, never as markup.
'use strict'

const MOST = 1000
const live = document.getElementById('live')
const list = document.getElementById('rows')
const empty = document.getElementById('empty')
const filterEvent = document.getElementById('filter-event')
const filterId = document.getElementById('filter-id')
const pauseButton = document.getElementById('pause')
const clock = new Intl.DateTimeFormat(undefined, {
  timeZone: live.dataset.timezone,
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})

let events = [] // newest first
let waiting = [] // came while paused
let arrivals = [] // when, for the rate
let paused = false
let pending = [] // to be drawn in the next frame

const passes = (event) =>
  event.event.toLowerCase().includes(filterEvent.value.trim().toLowerCase()) &&
  event.distinct_id.toLowerCase().includes(filterId.value.trim().toLowerCase())

function element(tag, className, text) {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

function row(event) {
  const item = element('li')
  const button = element('button', 'row')
  button.type = 'button'
  button.setAttribute('aria-expanded', 'false')
  const time = element('span', 'row-time', clock.format(new Date(event.timestamp)))
  time.title = event.timestamp
  const properties = event.properties
  const place = properties.$current_url ?? properties.$screen_name ?? properties.$pathname ?? ''
  button.append(
    time,
    element('span', 'row-event', event.event),
    element('span', 'row-id', event.distinct_id),
    element('span', 'row-url', String(place).replace(/^https?:\/\//, ''))
  )
  button.addEventListener('click', () => toggle(item, button, event))
  item.append(button)
  return item
}

function toggle(item, button, event) {
  const open = button.getAttribute('aria-expanded') !== 'true'
  button.setAttribute('aria-expanded', String(open))
  if (!open) return item.lastElementChild.remove()
  const detail = element('div', 'detail')
  const facts = element('dl')
  for (const [name, value] of [
    ['Time (UTC)', event.timestamp],
    ['Distinct ID', event.distinct_id],
    ['Person', event.person_id],
    ['Event UUID', event.uuid],
  ]) {
    facts.append(element('dt', '', name), element('dd', '', value))
  }
  const json = element('pre', '', JSON.stringify(event.properties, null, 2))
  json.tabIndex = 0
  json.setAttribute('aria-label', 'Properties')
  detail.append(facts, json)
  if (event.trimmed?.length) detail.append(element('p', 'hint', `Too large to show here: ${event.trimmed.join(', ')}`))
  item.append(detail)
}

function draw() {
  const fresh = pending.filter(passes)
  pending = []
  const items = fresh.slice(-MOST).map(row)
  for (const item of items.slice(-50)) item.classList.add('fresh')
  list.prepend(...items.reverse())
  while (list.childElementCount > MOST) list.lastElementChild.remove()
  summarise()
}

function redraw() {
  pending = []
  list.replaceChildren(...events.filter(passes).map(row))
  summarise()
}

function summarise() {
  const shown = list.childElementCount
  document.getElementById('shown').textContent =
    shown === events.length ? `${shown} events` : `${shown} of ${events.length} events`
  empty.hidden = shown > 0
  const filtered = events.length > 0
  document.getElementById('empty-title').textContent = filtered ? 'No event matches.' : 'No events yet.'
  document.getElementById('empty-text').hidden = filtered
  pauseButton.textContent = paused ? `Resume${waiting.length ? ` (${waiting.length} new)` : ''}` : 'Pause'
}

function take(incoming) {
  if (paused) {
    waiting = waiting.concat(incoming).slice(-MOST)
    return summarise()
  }
  events = incoming.slice().reverse().concat(events).slice(0, MOST)
  if (!pending.length) requestAnimationFrame(draw)
  pending.push(...incoming)
}

function setPaused(value) {
  paused = value
  pauseButton.setAttribute('aria-pressed', String(paused))
  setStatus()
  if (!paused) {
    const held = waiting
    waiting = []
    take(held)
  }
  summarise()
}

let connected = null
function setStatus() {
  const state = connected === null ? 'connecting' : !connected ? 'lost' : paused ? 'paused' : 'live'
  const words = { connecting: 'Connecting…', lost: 'Connection lost, trying again…', paused: 'Paused', live: 'Live' }
  document.getElementById('status').dataset.state = state
  document.getElementById('status-text').textContent = words[state]
}

const source = new EventSource(live.dataset.stream)
source.onopen = () => ((connected = true), setStatus())
source.onerror = () => {
  connected = false
  setStatus()
  // Ended for good (signed out, say): a reload leads to what is wrong.
  if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000)
}
source.addEventListener('snapshot', (message) => {
  events = JSON.parse(message.data).reverse()
  waiting = []
  redraw()
})
source.addEventListener('event', (message) => {
  arrivals.push(performance.now())
  take([JSON.parse(message.data)])
})
source.addEventListener('dropped', (message) => {
  const missed = JSON.parse(message.data).dropped
  document.getElementById('status-text').textContent = `Live (${missed} skipped: too fast for this browser)`
})

setInterval(() => {
  const since = performance.now() - 5000
  arrivals = arrivals.filter((at) => at > since)
  document.getElementById('rate').textContent = (arrivals.length / 5).toFixed(1)
}, 1000)

pauseButton.addEventListener('click', () => setPaused(!paused))
for (const input of [filterEvent, filterId]) input.addEventListener('input', redraw)
document.getElementById('filters').addEventListener('submit', (event) => event.preventDefault())

const typing = (target) => target.matches('input, textarea, select')

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  if (event.key === 'Escape' && typing(event.target)) {
    if (event.target.value) {
      event.target.value = ''
      redraw()
    } else list.querySelector('.row')?.focus()
    event.preventDefault()
  } else if (typing(event.target)) {
    return
  } else if (event.key === '/') {
    event.preventDefault()
    filterEvent.focus()
    filterEvent.select()
  } else if (event.key === 'p') {
    setPaused(!paused)
  }
})

list.addEventListener('keydown', (event) => {
  const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key]
  const item = event.target.closest('li')
  if (event.target.matches('.row') && step && item?.[step]) {
    event.preventDefault()
    item[step].querySelector('.row').focus()
  } else if (event.key === 'Escape' && item?.querySelector('.row').getAttribute('aria-expanded') === 'true') {
    item.querySelector('.row').click()
    item.querySelector('.row').focus()
  }
})

summarise()
