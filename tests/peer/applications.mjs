// What `moonlatch applications --no-evidence --format csv` reads, by Microsoft's Graph client: the same lists, in the
// same order of size, and the credentials sorted by what expires next.
//
//   node applications.mjs GRAPH TOKEN      (NODE_EXTRA_CA_CERTS names the authority)
//
// GRAPH is the address of Graph without its version. Prints CSV.
import { Client, PageIterator } from '@microsoft/microsoft-graph-client';

const [graph, token] = process.argv.slice(2);
const client = Client.init({ baseUrl: graph, customHosts: new Set([new URL(graph).hostname]),
  authProvider: (done) => done(null, token) });
const GRAPH_APP = '00000003-0000-0000-c000-000000000000';

async function each(request, use) {
  const iterator = new PageIterator(client, await request.get(), (item) => { use(item); return true; }, {
    headers: request._headers });
  await iterator.iterate();
}

const list = (path, select, top) => client.api(path).select(select).top(top);
const held = new Map();
const federated = [];
const names = new Map();
const owners = new Map();
const rows = [];

function add(object, origin) {
  for (const one of [...object.passwordCredentials, ...object.keyCredentials]) {
    rows.push([one.endDateTime, object.displayName, object.appId, object.id, origin, one.displayName, one.keyId]);
  }
}

const principal = await client.api(`/servicePrincipals(appId='${GRAPH_APP}')`).select('id').get();
await each(client.api(`/servicePrincipals/${principal.id}/appRoleAssignedTo`).top(999), (one) => {
  held.set(one.principalId, [...(held.get(one.principalId) ?? []), one.appRoleId]);
});
await each(list('/applications', 'id', 999).filter('federatedIdentityCredentials/$count ne 0').count(true)
  .header('ConsistencyLevel', 'eventual'), (one) => federated.push(one.id));
for (let from = 0; from < federated.length; from += 20) {
  const requests = federated.slice(from, from + 20).map((id) => (
    { id, method: 'GET', url: `/applications/${id}/federatedIdentityCredentials?$select=id,name,issuer` }));
  const answer = await client.api('/$batch').post({ requests });
  for (const part of answer.responses) names.set(part.id, part.body.value.map((one) => one.name));
}
await each(list('/applications', 'id,appId,displayName,passwordCredentials,keyCredentials', 999),
  (one) => add(one, 'application'));
await each(list('/servicePrincipals',
  'id,appId,displayName,servicePrincipalType,appOwnerOrganizationId,passwordCredentials,keyCredentials', 999),
(one) => add(one, 'service principal'));
await each(list('/applications', 'id', 100).expand('owners($select=id,displayName,userPrincipalName)'),
  (one) => owners.set(one.id, one.owners.map((owner) => owner.userPrincipalName)));

rows.sort((a, b) => (a[0] < b[0] ? -1 : 1));
for (const row of rows) {
  row.push((owners.get(row[3]) ?? []).join(' '), (held.get(row[3]) ?? []).join(' '), (names.get(row[3]) ?? []).join(' '));
  console.log(row.map((field) => `"${String(field ?? '').replaceAll('"', '""')}"`).join(','));
}
