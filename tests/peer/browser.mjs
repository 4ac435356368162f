// A person at a browser: opens a page, follows where it leads, fills in what is
// asked, and agrees to everything.
//
//   node browser.mjs URL
//
// Prints the text of the last page. The authority comes by NODE_EXTRA_CA_CERTS.
const jar = new Map();

function keep(response, url) {
  for (const line of response.headers.getSetCookie()) {
    const [, name, value, path] = line.match(/^([^=]+)=([^;]*)(?:.*;\s*path=([^;]*))?/i);
    jar.set(`${url.host}${path ?? '/'} ${name}`, { host: url.host, path: path ?? '/', text: `${name}=${value}` });
  }
}

function cookies(url) {
  const fitting = [...jar.values()].filter((one) => one.host === url.host && url.pathname.startsWith(one.path));
  return fitting.map((one) => one.text).join('; ');
}

function fields(form) {
  const filled = new URLSearchParams();
  for (const [input] of form.matchAll(/<input[^>]*>/g)) {
    const attribute = (name) => input.match(new RegExp(`${name}="([^"]*)"`))?.[1];
    const name = attribute('name');
    if (name) filled.set(name, name === 'login' ? 'ann@contoso.com' : name === 'password' ? 'x' : attribute('value') ?? '');
  }
  return filled;
}

async function visit(url, body) {
  const headers = { cookie: cookies(url), ...(body && { 'content-type': 'application/x-www-form-urlencoded' }) };
  const response = await fetch(url, { method: body ? 'POST' : 'GET', body, headers, redirect: 'manual' });
  keep(response, url);
  return response;
}

let url = new URL(process.argv[2]);
let body;
for (let step = 0; step < 20; step++) {
  const response = await visit(url, body);
  body = undefined;
  const location = response.headers.get('location');
  if (location) {
    url = new URL(location, url);
    continue;
  }
  const text = await response.text();
  const form = text.match(/<form[^>]*method="post"[^>]*>[^]*?<\/form>/i)?.[0];
  if (!form) {
    console.log(text);
    process.exit(response.ok ? 0 : 1);
  }
  url = new URL(form.match(/action="([^"]*)"/)[1].replaceAll('&amp;', '&'), url);
  body = fields(form).toString();
}
throw new Error('the pages lead nowhere');
