// The report's page in Debian's Chromium: light and dark, narrow and wide, and on paper.
//
//   node report.mjs FILE FOLDER      pictures go to the folder
//
// Prints one line of JSON: { violations: […], strangers: […], errors: […], looks: N, paper: bytes }.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const [file, folder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const seen = { violations: [], strangers: [], errors: [], looks: 0, paper: 0 };

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', args: process.getuid() === 0 ? ['--no-sandbox'] : [],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB', timezoneId: 'UTC' });
const page = await context.newPage();
page.on('request', (request) => request.url() === `file://${file}` || seen.strangers.push(request.url()));
page.on('console', (line) => ['error', 'warning'].includes(line.type()) && seen.errors.push(line.text()));
page.on('pageerror', (error) => seen.errors.push(String(error)));
page.on('dialog', (dialog) => seen.errors.push(`a dialog: ${dialog.message()}`));
await page.goto(`file://${file}`);
await page.evaluate(() => document.querySelectorAll('details').forEach((one) => { one.open = true; }));

for (const width of [390, 1280]) {
  await page.setViewportSize({ width, height: 900 });
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    const place = `report-${width}-${colorScheme}`;
    await page.screenshot({ path: `${folder}/${place}.png`, fullPage: true });
    const { violations } = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`);
    for (const one of violations) {
      for (const node of one.nodes) seen.violations.push(`${place}: ${one.id}: ${node.html.slice(0, 120)}`);
    }
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wider > 0) seen.violations.push(`${place}: ${wider} pixels too wide`);
    seen.looks += 1;
  }
}
seen.paper = (await page.pdf({ path: `${folder}/report.pdf`, preferCSSPageSize: true })).length;
await browser.close();
console.log(JSON.stringify(seen));
