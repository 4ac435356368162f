// Microsoft's own client library for Node signs in at the emulator.
//
//   node msal_sign_in.mjs secret|certificate|device|code LOGIN TENANT GRAPH CLIENT_ID [SECRET | KEY_AND_CERTIFICATE]
//
// The certificate authority comes by NODE_EXTRA_CA_CERTS. Prints one JSON object.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ConfidentialClientApplication, CryptoProvider, LogLevel, PublicClientApplication } from '@azure/msal-node';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const [how, login, tenant, graph, clientId, credential] = process.argv.slice(2);
const authority = `${login}/${tenant}`;
const scopes = [`${graph}/User.Read`];
const system = { protocolMode: 'AAD', loggerOptions: { logLevel: LogLevel.Error } };

function certificate(file) {
  const text = readFileSync(file, 'utf8');
  const thumbprintSha256 = new X509Certificate(text).fingerprint256.replaceAll(':', '').toLowerCase();
  return { clientCertificate: { thumbprintSha256, privateKey: text.match(/-----BEGIN PRIVATE KEY-----[^]*?-----END PRIVATE KEY-----\n/)[0] } };
}

function application() {
  const auth = { clientId, authority, knownAuthorities: [new URL(login).host] };
  if (!credential) return new PublicClientApplication({ auth, system });
  const proof = how === 'certificate' ? certificate(credential) : { clientSecret: credential };
  return new ConfidentialClientApplication({ auth: { ...auth, ...proof }, system });
}

async function byCode(app) {
  const redirectUri = 'http://localhost:4000';
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
  const page = await app.getAuthCodeUrl({ scopes, redirectUri, codeChallenge: challenge, codeChallengeMethod: 'S256' });
  const answer = await fetch(page, { redirect: 'manual' });
  const code = new URL(answer.headers.get('location')).searchParams.get('code');
  return app.acquireTokenByCode({ code, scopes, redirectUri, codeVerifier: verifier });
}

const ways = {
  secret: (app) => app.acquireTokenByClientCredential({ scopes: [`${graph}/.default`] }),
  certificate: (app) => app.acquireTokenByClientCredential({ scopes: [`${graph}/.default`] }),
  device: (app) => app.acquireTokenByDeviceCode({ scopes, deviceCodeCallback: () => {} }),
  code: byCode,
};

// The claims of an access token, its signature held against the published keys.
async function verified(token) {
  const document = await (await fetch(`${authority}/v2.0/.well-known/openid-configuration`)).json();
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(document.jwks_uri)), { audience: graph, algorithms: ['RS256'] });
  return payload;
}

try {
  const app = application();
  const result = await ways[how](app);
  const report = { claims: await verified(result.accessToken) };
  if (result.account) {
    report.account = result.account.username;
    const fresh = await app.acquireTokenSilent({ account: result.account, scopes, forceRefresh: true });
    report.refreshed = fresh.accessToken !== result.accessToken;
    const short = { account: result.account, scopes: ['User.Read'] };
    await app.acquireTokenSilent(short);
    report.cached = (await app.acquireTokenSilent(short)).fromCache;
  }
  console.log(JSON.stringify(report));
} catch (error) {
  console.log(JSON.stringify({ error: error.errorCode ?? String(error), message: error.errorMessage ?? '', codes: error.errorNo ?? '' }));
}
