// oidc-provider on Entra's paths, with the wishes Entra has beyond the standard.
//
//   node oidc.mjs FOLDER
//
// FOLDER holds key.pem and cert.pem of the server and app.crt, the certificate of
// the client "certificate". Prints one JSON line and serves until standard input
// ends. Why it refused is said on standard error: clients are told less.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import Provider, { errors } from 'oidc-provider';

const folder = process.argv[2];
const tenant = '9c8f6b7e-0f4b-4a4b-8a55-6a5b6f2d1c3e';
const graph = 'https://127.0.0.1:1'; // nobody is there: only its name counts
const read = (name) => readFileSync(`${folder}/${name}`);
const certificate = new X509Certificate(read('app.crt'));
const thumbprint = Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url');
const jwk = { ...certificate.publicKey.export({ format: 'jwk' }), use: 'sig' };

const server = https.createServer({ key: read('key.pem'), cert: read('cert.pem') });
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const origin = `https://127.0.0.1:${server.address().port}`;
const issuer = `${origin}/${tenant}`;

const application = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
const person = {
  application_type: 'native', token_endpoint_auth_method: 'none', response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  redirect_uris: ['http://localhost', 'http://127.0.0.1/back'],
};

function mustBeEntras(ctx, claims, header) {
  if (header['x5t#S256'] !== thumbprint) throw new errors.InvalidClientAuth('x5t#S256 is not of a certificate of the client');
  if (header.typ !== 'JWT') throw new errors.InvalidClientAuth('typ is not JWT');
  if (claims.aud !== `${issuer}/oauth2/v2.0/token`) throw new errors.InvalidClientAuth('aud is not the token endpoint');
  if (claims.exp - claims.nbf > 600) throw new errors.InvalidClientAuth('it lives longer than ten minutes');
}

const provider = new Provider(issuer, {
  clients: [
    { ...application, client_id: 'post', client_secret: 'S3c:ret%+&~ of the post', token_endpoint_auth_method: 'client_secret_post' },
    { ...application, client_id: 'basic', client_secret: 'S3c:ret%+&~ of basic', token_endpoint_auth_method: 'client_secret_basic' },
    { ...application, client_id: 'certificate', token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'PS256', jwks: { keys: [{ ...jwk, alg: 'PS256' }] } },
    { ...person, client_id: 'person' },
  ],
  routes: {
    token: '/oauth2/v2.0/token', authorization: '/oauth2/v2.0/authorize', device_authorization: '/oauth2/v2.0/devicecode',
    jwks: '/discovery/v2.0/keys',
  },
  clientAuthMethods: ['client_secret_post', 'client_secret_basic', 'private_key_jwt', 'none'],
  assertJwtClientAuthClaimsAndHeader: mustBeEntras,
  pkce: { required: () => true },
  scopes: ['openid'], // without offline_access: it grants less than is asked for, and refuses more at a renewal
  rotateRefreshToken: true,
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
  extraTokenClaims: (ctx, token) => ({ tid: tenant, oid: token.accountId ?? token.clientId, upn: token.accountId,
    scp: token.accountId && 'User.Read' }),
  cookies: { keys: ['of no use elsewhere'] },
  ttl: { AccessToken: 3600, ClientCredentials: 3600, DeviceCode: 60, RefreshToken: 86400, Grant: 86400, Session: 600, Interaction: 600 },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    resourceIndicators: {
      enabled: true, defaultResource: () => graph, useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: `${graph}/.default ${graph}/User.Read`, audience: graph, accessTokenFormat: 'jwt',
        accessTokenTTL: 3600 }),
    },
  },
});
provider.proxy = true;
provider.on('grant.error', (ctx, error) => console.error(`refused: ${error.error}: ${error.error_detail ?? error.error_description}`));

// What Entra has where the standard has nothing: discovery below v2.0, and now and
// then the request to slow down, which this provider never makes by itself.
const polls = new Map();

async function slowDown(request, response) {
  if (request.method !== 'POST' || !request.url.endsWith('/oauth2/v2.0/token')) return false;
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const form = new URLSearchParams(request.rawBody = Buffer.concat(chunks).toString());
  request.body = Object.fromEntries(form);
  const code = form.get('device_code');
  const count = polls.get(code) ?? 0;
  if (code) polls.set(code, count + 1);
  if (!code || count !== 1) return false;
  response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"slow_down"}');
  return true;
}

const handle = provider.callback();
server.on('request', async (request, response) => {
  if (await slowDown(request, response)) return;
  // Microsoft's page gives offline_access for the asking; the standard wants this besides.
  const asked = request.url.includes('/oauth2/v2.0/authorize?') ? `${request.url}&prompt=consent` : request.url;
  request.originalUrl = asked;
  const path = asked.replace(`/${tenant}/v2.0/.well-known/`, `/${tenant}/.well-known/`);
  request.url = path.slice(tenant.length + 1) || '/';
  handle(request, response);
});

console.log(JSON.stringify({ login: origin, tenant, graph, issuer }));
process.stdin.resume().on('end', () => process.exit(0));
