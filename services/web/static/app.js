// What every page shares: copy buttons, tabs, menus, the theme, questions before deleting. Pages work without it.
'use strict'

const cookie = (name) =>
  document.cookie.split('; ').find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? ''

window.hedgerow = { csrfToken: () => cookie('posthog_csrftoken') }

async function copy(button) {
  const text = document.getElementById(button.dataset.copy).textContent
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    // No clipboard on plain http away from localhost: mark the text, so that the keyboard can copy it.
    getSelection().selectAllChildren(document.getElementById(button.dataset.copy))
    button.textContent = 'Press Ctrl C'
    return
  }
  button.textContent = 'Copied'
  setTimeout(() => (button.textContent = 'Copy'), 1500)
}

function showTab(list, wanted) {
  for (const tab of list.children) {
    const selected = tab === wanted
    tab.setAttribute('aria-selected', String(selected))
    tab.tabIndex = selected ? 0 : -1
    document.getElementById(tab.getAttribute('aria-controls')).hidden = !selected
  }
}

function makeTabs(box) {
  const list = document.createElement('div')
  list.className = 'tablist'
  list.setAttribute('role', 'tablist')
  list.setAttribute('aria-label', 'Language')
  for (const panel of box.querySelectorAll('[data-tab]')) {
    const tab = document.createElement('button')
    tab.type = 'button'
    tab.textContent = panel.dataset.tab
    tab.id = `${panel.id}-tab`
    tab.setAttribute('role', 'tab')
    tab.setAttribute('aria-controls', panel.id)
    tab.addEventListener('click', () => showTab(list, tab))
    panel.setAttribute('role', 'tabpanel')
    panel.removeAttribute('aria-label')
    panel.setAttribute('aria-labelledby', tab.id)
    list.append(tab)
  }
  list.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (!step) return
    const tabs = [...list.children]
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length]
    showTab(list, next)
    next.focus()
  })
  box.prepend(list)
  box.classList.add('tabbed')
  showTab(list, list.firstElementChild)
}

document.querySelectorAll('[data-tabs]').forEach(makeTabs)

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-copy]')
  if (button) copy(button)
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    if (!menu.contains(event.target)) menu.open = false
  }
})

document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    menu.open = false
    menu.querySelector('summary').focus()
  }
})

document.addEventListener('submit', async (event) => {
  const form = event.target
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) event.preventDefault()
  if (!('themeForm' in form.dataset)) return
  event.preventDefault()
  const theme = event.submitter.value
  document.documentElement.dataset.theme = theme
  for (const button of form.querySelectorAll('button')) button.setAttribute('aria-pressed', String(button.value === theme))
  await fetch('/theme', { method: 'POST', body: new URLSearchParams({ theme, next: '/theme-set' }), redirect: 'manual' })
})
