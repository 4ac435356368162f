// Microsoft's Graph client and @azure/identity at the names of Microsoft's cloud.
//
//   node graph_client.mjs secret|certificate|workload|identity TENANT CLIENT_ID [VALUE]
//
// VALUE is the client secret, the file with key and certificate, the file with the federated token; none for a managed
// identity, whose endpoint comes by IDENTITY_ENDPOINT and IDENTITY_HEADER. The proxy comes by HTTPS_PROXY
// (fetch reads it with NODE_USE_ENV_PROXY=1), its authority by NODE_EXTRA_CA_CERTS. Pages through every list and prints one JSON object.
import {
  ClientCertificateCredential, ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential,
} from '@azure/identity';
import { BatchRequestContent, Client, PageIterator } from '@microsoft/microsoft-graph-client';
import { TokenCredentialAuthenticationProvider } from
  '@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js';

const [how, tenantId, clientId, value] = process.argv.slice(2);
const credentials = {
  secret: () => new ClientSecretCredential(tenantId, clientId, value),
  certificate: () => new ClientCertificateCredential(tenantId, clientId, value),
  workload: () => new WorkloadIdentityCredential({ tenantId, clientId, tokenFilePath: value }),
  identity: () => new ManagedIdentityCredential(),
};
const authProvider = new TokenCredentialAuthenticationProvider(credentials[how](), {
  scopes: ['https://graph.microsoft.com/.default'],
});
const client = Client.initWithMiddleware({ authProvider });

// The lists of the emulator; each with a page of two, if the service pages it.
const lists = ['/users', '/groups', '/applications', '/servicePrincipals', '/devices', '/domains', '/organization',
  '/contracts', '/subscribedSkus', '/directoryRoles?$expand=members', '/directoryRoleTemplates', '/oauth2PermissionGrants',
  '/roleManagement/directory/roleDefinitions', '/roleManagement/directory/roleAssignments?$expand=principal',
  '/roleManagement/directory/roleEligibilityScheduleInstances', '/roleManagement/directory/roleAssignmentScheduleInstances',
  '/directory/administrativeUnits', '/identity/conditionalAccess/policies', '/identity/conditionalAccess/namedLocations',
  '/policies/appManagementPolicies', '/directory/deletedItems/microsoft.graph.application', '/users/delta', '/groups/delta'];

// Logs and reports; most are in beta only.
const logs = ["/beta/auditLogs/signIns?$filter=signInEventTypes/any(t: t eq 'servicePrincipal')",
  "/beta/auditLogs/getSummarizedServicePrincipalSignIns(aggregationWindow='h1')", '/v1.0/auditLogs/directoryAudits',
  '/beta/reports/appCredentialSignInActivities', '/beta/reports/servicePrincipalSignInActivities'];

async function walk(path, version = 'v1.0') {
  let count = 0;
  const seen = new Set();
  const page = await client.api(path).version(version).top(2).get();
  const iterator = new PageIterator(client, page, (item) => { count += 1; seen.add(item.id); return true; });
  await iterator.iterate();
  return { count, distinct: seen.size, ended: iterator.isComplete(), delta: iterator.getDeltaLink?.() !== undefined };
}

// The client removes the host from an address, and nothing else: the version is left out, as a batch demands.
async function batch() {
  const content = new BatchRequestContent([
    { id: '1', request: new Request('https://graph.microsoft.com/users?$top=1') },
    { id: '2', request: new Request('https://graph.microsoft.com/nothing') },
  ]);
  const answer = await client.api('/$batch').post(await content.getContent());
  return Object.fromEntries(answer.responses.map((part) => [part.id, part.status]));
}

async function one(path) {
  try {
    return await client.api(path).get();
  } catch (error) {
    return { status: error.statusCode, code: error.code, message: error.message };
  }
}

try {
  const walked = {};
  if (how === 'secret') for (const path of lists) walked[path] = await walk(path);
  if (how === 'secret') for (const path of logs) {
    const [, version, rest] = path.match(/^\/([^/]+)(.*)$/);
    walked[path] = await walk(rest, version);
  }
  const user = await one('/users/uma@contoso.onmicrosoft.com');
  console.log(JSON.stringify({
    walked,
    batch: how === 'secret' ? await batch() : {},
    user: user.userPrincipalName ?? user,
    policy: how === 'secret' ? (await one('/policies/authorizationPolicy')).id : null,
    role: how === 'secret' ? (await one("/directoryRoles(roleTemplateId='62e90394-69f5-4237-9190-012177145e10')")).displayName : null,
    manager: how === 'secret' ? (await one('/users/uma@contoso.onmicrosoft.com/manager')).displayName : null,
    methods: how === 'secret' ? (await one('/users/uma@contoso.onmicrosoft.com/authentication/methods')).value : null,
    unknown: await one('/users/uma@contoso.onmicrosoft.com/nonsense'),
  }));
} catch (error) {
  console.log(JSON.stringify({ error: error.name, message: error.message, code: error.statusCode }));
}
