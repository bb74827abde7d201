// The first page of a project: turns when the first event is there.
'use strict'

const waiting = document.getElementById('waiting')
const source = new EventSource(waiting.dataset.stream)

function arrived(event) {
  source.close()
  waiting.classList.add('arrived')
  document.getElementById('waiting-text').textContent = `Got it: “${event.event}” from ${event.distinct_id}.`
  document.getElementById('to-live').textContent = 'See it live'
}

source.addEventListener('snapshot', (message) => {
  const events = JSON.parse(message.data)
  if (events.length) arrived(events[events.length - 1])
})
source.addEventListener('event', (message) => arrived(JSON.parse(message.data)))
