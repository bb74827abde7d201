// Drives posthog-js-lite as an application does. Arguments: host, project API key, a mark that makes the events ours.
import { PostHog } from 'posthog-js-lite'

const [host, key, mark] = process.argv.slice(2)
const client = new PostHog(key, { host, persistence: 'memory', flushAt: 3, flushInterval: 100, preloadFeatureFlags: false })
client.on('error', (error) => {
    console.error(error)
    process.exitCode = 1
})
client.capture('lite', { mark, n: 1 })
client.identify(`${mark}-user`, { plan: 'pro' })
client.group('company', `${mark}-acme`, { size: 7 })
client.capture('lite', { mark, n: 2, note: 'naïve 日本 😀' })
client.alias(`${mark}-alias`)
await client.shutdown()
