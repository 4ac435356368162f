// A person at the hand-over's page, in Debian's Chromium.
//
//   node handover.mjs SCENARIO URL FOLDER      pictures go to the folder
//
// Prints one line of JSON: { steps: […], violations: […], strangers: […], errors: […] }.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const [scenario, url, folder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const base = new URL(url).origin;
const seen = { steps: [], violations: [], strangers: [], errors: [] };

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', args: process.getuid() === 0 ? ['--no-sandbox'] : [],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB', timezoneId: 'UTC' });
await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: base });
const page = await context.newPage();
page.setDefaultTimeout(20000);
await page.clock.install();
page.on('request', (request) => request.url().startsWith(`${base}/`) || seen.strangers.push(request.url()));
page.on('console', (line) => {
  const refused = /^Failed to load resource: .* 401/.test(line.text()); // said by the page as well
  if (['error', 'warning'].includes(line.type()) && !refused) seen.errors.push(line.text());
});
page.on('pageerror', (error) => seen.errors.push(String(error)));

const step = (name, value) => seen.steps.push([name, value]);
const text = (selector) => page.locator(selector).innerText();
const clipboard = () => page.evaluate(() => navigator.clipboard.readText());

// Look at it in all four ways: pictures, axe, and whether anything is cut off at the side.
async function look(name) {
  for (const width of [390, 1280]) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      const place = `${name}-${width}-${colorScheme}`;
      await page.screenshot({ path: `${folder}/${place}.png`, fullPage: true });
      const { violations } = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`);
      for (const one of violations) {
        for (const node of one.nodes) seen.violations.push(`${place}: ${one.id}: ${node.html.slice(0, 120)}`);
      }
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wider > 0) seen.violations.push(`${place}: ${wider} pixels too wide`);
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

// What the live region says, once it says something like that. Its clock is the test's.
async function said(pattern) {
  for (let i = 0; i < 200; i++) {
    await page.clock.runFor(60);
    const now = await text('#said');
    if (pattern.test(now)) return now;
  }
  throw new Error(`nothing like ${pattern} is said`);
}

async function open() {
  await page.goto(url);
  await page.locator('#desk, #notice-title:not(:text("One moment"))').first().waitFor();
}

// The keyboard only: on to what is named so, by Tab.
async function tab_to(name) {
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(() => (document.activeElement.ariaLabel ?? document.activeElement.textContent)
      .replace(/\s+/g, ' ').trim());
    if (focused === name) return;
  }
  throw new Error(`Tab does not lead to '${name}'`);
}

const scenarios = {
  async person() {
    await open();
    await page.locator('#desk').waitFor();
    step('address', page.url());
    step('focus', await page.evaluate(() => document.activeElement.id));
    await look('fresh');
    await page.getByRole('button', { name: 'Mark as done: the identity may' }).click();
    await page.locator('#progress-text', { hasText: '3 of' }).waitFor();
    step('ticked', await said(/Marked/));
    step('focus after ticking', await page.evaluate(() => document.activeElement.id));
    await page.getByRole('button', { name: 'Copy Client ID' }).click();
    step('copied', [await said(/Client/), await clipboard()]);
    await page.getByRole('button', { name: 'I pasted it and saved' }).click({ force: true });
    step('too early', await said(/First/));
    await page.getByRole('button', { name: 'Show the secret' }).click();
    await page.getByRole('button', { name: 'Hide the secret' }).waitFor();
    step('shown', await text('#secret'));
    step('said of it', await said(/shown/));
    await look('shown');
    await page.getByRole('button', { name: 'Hide the secret' }).click();
    step('hidden', await text('#secret'));
    await page.getByRole('button', { name: 'Copy the secret' }).click();
    step('secret copied', [await said(/copied/), await clipboard()]);
    await page.getByRole('button', { name: 'Show the secret' }).click();
    await page.clock.fastForward(61000);
    step('after a minute', await text('#secret'));
    await page.getByRole('button', { name: 'Show the secret' }).click({ force: true });
    step('again', [await said(/once/), await text('#secret')]);
    await page.getByRole('button', { name: 'Test connection succeeded' }).click();
    await page.locator('#tested[aria-pressed=true]').waitFor();
    await look('tested');
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download the calendar file' }).click();
    step('calendar', (await download).suggestedFilename());
    await page.getByRole('button', { name: 'I pasted it and saved' }).click();
    await page.locator('#form-title', { hasText: 'The secret is in its place' }).waitFor();
    step('focus after confirming', await page.evaluate(() => document.activeElement.id));
    await look('confirmed');
    await page.reload();
    await page.locator('#notice').waitFor();
    step('reloaded', await text('#notice-title'));
    await look('reloaded');
  },

  async keyboard() {
    await page.setViewportSize({ width: 1280, height: 900 });
    await open();
    await page.locator('#desk').waitFor();
    await tab_to('Mark as done: the identity may \'Manage privileged access tasks\' and \'Manage privileged access providers\'');
    await page.keyboard.press('Enter');
    await page.locator('#progress-text', { hasText: '3 of' }).waitFor();
    await tab_to('Copy Tenant ID');
    await page.keyboard.press('Space');
    await page.waitForFunction(() => document.activeElement.ariaLabel === 'Copy Tenant ID');
    step('value', [await said(/Tenant/), await clipboard()]);
    await tab_to('Copy the secret');
    await page.keyboard.press('Enter');
    await page.locator('#tested[aria-disabled=false]').waitFor();
    step('secret', [await said(/secret/), await clipboard()]);
    await page.screenshot({ path: `${folder}/keyboard.png`, fullPage: true });
    await tab_to('Test connection succeeded');
    await page.keyboard.press('Space');
    await page.locator('#tested[aria-pressed=true]').waitFor();
    await tab_to('I pasted it and saved');
    await page.keyboard.press('Enter');
    await page.locator('#form-title', { hasText: 'The secret is in its place' }).waitFor();
    step('focus', await page.evaluate(() => document.activeElement.id));
    await tab_to('End this page');
    await page.keyboard.press('Enter');
    await page.locator('#notice').waitFor();
    step('end', await text('#notice-title'));
  },

  async leaving() {
    await open();
    await page.locator('#desk').waitFor();
    await page.getByRole('button', { name: 'Show the secret' }).click();
    await page.getByRole('button', { name: 'Hide the secret' }).waitFor();
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: true });
      document.dispatchEvent(new Event('visibilitychange'));
    });
    step('hidden', await text('#secret'));
    await page.goto('about:blank');
    await page.goBack();
    await page.locator('#notice').waitFor();
    step('came back', [await text('#notice-title'), (await page.content()).includes('~8Q~')]);
  },

  async used() {
    await open();
    await page.locator('#notice').waitFor();
    step('notice', await text('#notice-title'));
    await look('used');
  },
};

try {
  await scenarios[scenario]();
} catch (error) {
  seen.errors.push(String(error));
  await page.screenshot({ path: `${folder}/failed-${scenario}.png`, fullPage: true });
}
await browser.close();
console.log(JSON.stringify(seen));
