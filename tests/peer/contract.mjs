// Holds recorded exchanges against Microsoft's OpenAPI description.
//
//   node contract.mjs DESCRIPTION EXCHANGES
//
// EXCHANGES is a file of JSON lines {method, path, query, headers, body, status,
// answer}. Every schema of the description is compiled first: Prism silently
// skips one that does not compile, and then "no violation" would mean nothing.
// Then each request goes through `prism proxy --errors` to a far side that gives
// the recorded answer, so that Prism judges both. Prints TAP.
import { spawn } from 'node:child_process';
import { createServer, request } from 'node:http';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';

const [published, recorded] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const Ajv = require('ajv').default;
const formats = require('ajv-formats').default;

let tests = 0, failed = 0;
function report(ok, name, why) {
  tests++;
  if (!ok) failed++;
  console.log(`${ok ? 'ok' : 'not ok'} ${tests} - ${name}`);
  if (!ok && why) console.log(String(why).split('\n').map(line => `# ${line}`).join('\n'));
}

// A path that casts to users offers only the members of directoryObject in
// $select. The service takes those of user: learn.microsoft.com's page "List
// group transitive members" has examples that select displayName. The schema of
// getByIds has no @odata.context; the answer has one (recorded by azure-cli,
// test_user_scenario, 2023).
function corrected() {
  const document = JSON.parse(readFileSync(published, 'utf8'));
  const select = path => document.paths[path].get.parameters.find(parameter => parameter.name === '$select');
  for (const path of Object.keys(document.paths)) {
    if (path.endsWith('/microsoft.graph.user')) select(path).schema = select('/users').schema;
  }
  const found = document.paths['/directoryObjects/getByIds'].post.responses['200'].content['application/json'].schema;
  found.properties['@odata.context'] = { type: 'string' };
  return document;
}

// A path that the description lacks, by learn.microsoft.com's pages "List eligibilityScheduleInstances" (of
// privilegedAccessGroup), which has its filter as required, and "privilegedAccessGroupEligibilityScheduleInstance".
function added(document) {
  const text = { type: 'string' };
  const list = { type: 'array', uniqueItems: true, items: text };
  const query = (name, schema, required) => ({ name, in: 'query', style: 'form', explode: false, schema, required });
  const moment = { type: 'string', format: 'date-time', nullable: true };
  const instance = { type: 'object', additionalProperties: false, properties: {
    id: text, accessId: { type: 'string', enum: ['owner', 'member'] }, principalId: text, groupId: text,
    memberType: { type: 'string', enum: ['direct', 'Direct', 'group', 'Group'] }, startDateTime: moment,
    endDateTime: moment, eligibilityScheduleId: text,
  } };
  const page = { type: 'object', additionalProperties: false, required: ['value'], properties: {
    '@odata.context': text, '@odata.nextLink': text, '@odata.count': { type: 'integer' },
    value: { type: 'array', items: instance },
  } };
  document.paths['/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances'] = { get: {
    parameters: [query('$filter', text, true), query('$select', list), query('$expand', list)],
    responses: {
      200: { description: 'a page', content: { 'application/json': { schema: page } } },
      default: { $ref: '#/components/responses/error' },
    },
  } };
  return document;
}

const folder = mkdtempSync(join(tmpdir(), 'moonlatch-contract-'));
const description = join(folder, 'description.json');

function compileAll(document) {
  const ajv = new Ajv({ strict: false, validateFormats: false, discriminator: false });
  formats(ajv);
  ajv.addSchema({ $id: 'document', components: document.components });
  const names = Object.keys(document.components.schemas);
  const broken = [];
  for (const name of names) {
    try {
      ajv.compile({ $ref: `document#/components/schemas/${name.replaceAll('~', '~0').replaceAll('/', '~1')}` });
    } catch (error) {
      broken.push(`${name}: ${error.message}`);
    }
  }
  report(names.length > 0 && broken.length === 0, `all ${names.length} schemas of the description compile`, broken.join('\n'));
}

function freePort() {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

let current; // the exchange under way
const far = createServer((incoming, outgoing) => {
  incoming.resume().on('end', () => {
    const body = current.answer === undefined ? '' : JSON.stringify(current.answer);
    outgoing.writeHead(current.status, body ? { 'content-type': 'application/json' } : {});
    outgoing.end(body);
  });
});

function send(port, exchange) {
  const query = new URLSearchParams(exchange.query ?? {}).toString().replaceAll('+', '%20');
  const body = exchange.body === undefined ? undefined : JSON.stringify(exchange.body);
  const headers = { authorization: 'Bearer x', ...exchange.headers };
  if (body) headers['content-type'] = 'application/json';
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method: exchange.method,
      path: exchange.path + (query ? `?${query}` : ''), headers }, incoming => {
      let text = '';
      incoming.on('data', part => text += part).on('end', () => resolve({ status: incoming.statusCode,
        violations: incoming.headers['sl-violations'], text }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

async function startPrism(port, upstream) {
  const prism = spawn(process.execPath, [join(here, 'node_modules/@stoplight/prism-cli/dist/index.js'), 'proxy', description,
    `http://127.0.0.1:${upstream}`, '-h', '127.0.0.1', '-p', port, '--multiprocess', 'false', '--errors'],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  prism.stdout.setEncoding('utf8');
  const deadline = Date.now() + 120000;
  let seen = '';
  prism.stdout.on('data', text => seen += text);
  while (!seen.includes('Prism is listening')) {
    if (Date.now() > deadline || prism.exitCode !== null) throw new Error(`prism did not start:\n${seen}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  return prism;
}

const document = added(corrected());
writeFileSync(description, JSON.stringify(document));
const exchanges = readFileSync(recorded, 'utf8').split('\n').filter(Boolean).map(line => JSON.parse(line));
far.listen(0, '127.0.0.1');
await once(far, 'listening');
const port = await freePort();
const starting = startPrism(port, far.address().port); // meanwhile, on the other core:
compileAll(document);
const prism = await starting;
try {
  for (current of exchanges) {
    const seen = await send(port, current);
    const name = `${current.method} ${current.path} ${current.status}`;
    report(seen.status === current.status && !seen.violations, name, `${seen.status} ${seen.violations ?? ''}\n${seen.text}`);
  }
  report(exchanges.length > 0, 'there were exchanges to check');
} finally {
  prism.kill('SIGTERM');
  far.close();
  rmSync(folder, { recursive: true });
}
console.log(`1..${tests}`);
process.exitCode = failed ? 1 : 0;
