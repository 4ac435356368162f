// Two token endpoints: oauth2-mock-server with hostile answers, and one where jose
// verifies the client's assertion.
//
//   node tokens.mjs FOLDER
//
// FOLDER holds key.pem and cert.pem of the servers and app.crt, the certificate of
// the client. Which answer comes is said by the client id. Prints one JSON line
// and serves until standard input ends.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { importX509, jwtVerify } from 'jose';
import { OAuth2Server } from 'oauth2-mock-server';

const folder = process.argv[2];
const path = '/contoso.onmicrosoft.com/oauth2/v2.0/token';
const read = (name) => readFileSync(`${folder}/${name}`, 'utf8');

function deep(levels) {
  let value = {};
  for (let i = 0; i < levels; i++) value = { a: value };
  return value;
}

/** client id -> what becomes of a good answer */
const misdeeds = {
  throttled: (answer) => Object.assign(answer, { statusCode: 429, body: {} }),
  broken: (answer) => Object.assign(answer, { statusCode: 500, body: {} }),
  ended: (answer) => Object.assign(answer, { statusCode: 400, body: { error: 'invalid_grant', error_codes: [700082],
    error_description: 'AADSTS700082: The refresh token has expired due to inactivity.\r\nTrace ID: 1' } }),
  tokenless: (answer) => { delete answer.body.access_token; },
  number: (answer) => { answer.body.access_token = 12345; },
  crlf: (answer) => { answer.body.access_token += '\r\nX-Evil: 1'; },
  newline: (answer) => { answer.body.access_token += '\nX-Evil: 1'; },
  nul: (answer) => { answer.body.access_token += '\u0000'; },
  letters: (answer) => { answer.body.access_token += '\u00e9'; },
  past: (answer) => { answer.body.expires_in = -1; },
  never: (answer) => { answer.body.expires_in = 1e308; },
  text: (answer) => { answer.body.expires_in = '3599'; },
  huge: (answer) => { answer.body.access_token = 'x'.repeat(8 << 20); },
  long: (answer) => { answer.body.access_token = 'x'.repeat(70000); },
  deep: (answer) => { answer.body.more = deep(4000); },
  mac: (answer) => { answer.body.token_type = 'mac'; },
  list: (answer) => { answer.body = []; },
  null: (answer) => { answer.body = null; },
  both: (answer) => { answer.body.error = 'invalid_client'; },
  refresh: (answer) => { answer.body.refresh_token = ['r']; },
};

const mock = new OAuth2Server(`${folder}/key.pem`, `${folder}/cert.pem`, { endpoints: { token: path } });
await mock.issuer.keys.generate('RS256');
mock.service.on('beforeResponse', (answer, request) => misdeeds[request.body.client_id]?.(answer));
await mock.start(0, '127.0.0.1');

const certificate = await importX509(read('app.crt'), 'PS256');
const thumbprint = Buffer.from(new X509Certificate(read('app.crt')).fingerprint256.replaceAll(':', ''), 'hex').toString('base64url');
const seen = new Set();

async function verify(form, endpoint) {
  const options = { algorithms: ['PS256'], audience: endpoint, issuer: 'rotator', subject: 'rotator', typ: 'JWT',
    maxTokenAge: '10m', requiredClaims: ['exp', 'nbf', 'iat', 'jti'] };
  const { payload, protectedHeader } = await jwtVerify(form.get('client_assertion'), certificate, options);
  if (Object.keys(protectedHeader).sort().join() !== 'alg,typ,x5t#S256') throw new Error('other header members');
  if (protectedHeader['x5t#S256'] !== thumbprint) throw new Error('another thumbprint');
  if (payload.exp - payload.iat !== 600 || payload.nbf !== payload.iat) throw new Error('another lifetime');
  if (!/^[0-9a-f-]{36}$/.test(payload.jti) || seen.has(payload.jti)) throw new Error('jti is not a fresh GUID');
  seen.add(payload.jti);
}

const verifier = https.createServer({ key: read('key.pem'), cert: read('cert.pem') }, async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const endpoint = `https://127.0.0.1:${verifier.address().port}${request.url}`;
  const answer = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  try {
    await verify(new URLSearchParams(Buffer.concat(chunks).toString()), endpoint);
    answer(200, { token_type: 'Bearer', expires_in: 3600, access_token: 'verified' });
  } catch (error) {
    answer(401, { error: 'invalid_client', error_description: error.message });
  }
});
await new Promise((listening) => verifier.listen(0, '127.0.0.1', listening));

console.log(JSON.stringify({
  mock: `https://127.0.0.1:${mock.address().port}`, verifier: `https://127.0.0.1:${verifier.address().port}`,
}));
process.stdin.resume().on('end', () => process.exit(0));
