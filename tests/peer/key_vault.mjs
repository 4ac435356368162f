// Microsoft's client of Azure Key Vault at a double of the service; prints one line of JSON.
//
//   node key_vault.mjs BASE TOKEN get|strict|versions NAME
//   node key_vault.mjs BASE TOKEN set NAME VALUE

import { SecretClient } from '@azure/keyvault-secrets'

const [base, token, command, name, value] = process.argv.slice(2)
const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3600e3 }) }
const client = new SecretClient(base, credential, {
  serviceVersion: '7.4',
  retryOptions: { maxRetries: 0 },
  disableChallengeResourceVerification: command !== 'strict'
})

async function get () {
  const secret = await client.getSecret(name)
  return { value: secret.value, tags: secret.properties.tags }
}

const commands = {
  get,
  strict: get,
  set: async () => ({ version: (await client.setSecret(name, value)).properties.version }),
  versions: async () => {
    const list = []
    for await (const one of client.listPropertiesOfSecretVersions(name)) list.push(one.version)
    return { list }
  }
}

try {
  console.log(JSON.stringify(await commands[command]()))
} catch (failure) {
  console.log(JSON.stringify({ status: failure.statusCode, message: failure.message }))
}
