// A receiver of Standard Webhooks: the library of its authors verifies each message.
//
//   node webhook.mjs FOLDER
//
// FOLDER holds key.pem and cert.pem of the server. Answers 204 to a message that
// verifies, and 400 with the library's words to another one. Prints one JSON line,
// with the secret to sign with, and serves until standard input ends.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { Webhook } from 'standardwebhooks';

const folder = process.argv[2];
const read = (name) => readFileSync(`${folder}/${name}`, 'utf8');
const secret = `whsec_${randomBytes(32).toString('base64')}`;
const webhook = new Webhook(secret);

const server = https.createServer({ key: read('key.pem'), cert: read('cert.pem') }, (request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    try {
      webhook.verify(Buffer.concat(parts).toString('utf8'), request.headers);
      response.writeHead(204).end();
    } catch (error) {
      response.writeHead(400, { 'Content-Type': 'application/json' }).end(JSON.stringify({ message: error.message }));
    }
  });
});

server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ base: `https://127.0.0.1:${server.address().port}`, secret }));
});
process.stdin.resume().on('end', () => process.exit(0));
