// Drives posthog-node as an application does. Arguments: host, project API key, a mark that makes the events ours.
import { PostHog } from 'posthog-node'

const [host, key, mark] = process.argv.slice(2)
const client = new PostHog(key, { host, flushAt: 20, flushInterval: 100 })
client.on('error', (error) => {
    console.error(error)
    process.exitCode = 1
})
for (let n = 0; n < 25; n++) {
    client.capture({ distinctId: `${mark}-${n % 5}`, event: `node ${mark}`, properties: { n, price: 1.5, tags: ['a', 'b'] } })
}
client.identify({ distinctId: `${mark}-0`, properties: { plan: 'pro' } })
client.capture({ distinctId: `${mark}-0`, event: `node ${mark}`, properties: { n: 25 }, timestamp: new Date(Date.now() - 3600_000) })
client.alias({ distinctId: `${mark}-0`, alias: `${mark}-alias` })
client.groupIdentify({ groupType: 'company', groupKey: `${mark}-acme`, properties: { size: 7 }, distinctId: `${mark}-0` })
client.capture({ distinctId: `${mark}-alias`, event: `grouped ${mark}`, groups: { company: `${mark}-acme` } })
client.captureAi({ distinctId: `${mark}-0`, event: '$ai_generation', properties: { mark, $ai_model: 'm', $ai_input_tokens: 3 } })
await client.shutdown()
