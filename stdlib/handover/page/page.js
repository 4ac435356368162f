// The hand-over in a browser. What comes from Moonlatch is text here, never markup. The session and the secret are kept
// in variables only: a reload forgets both.
'use strict';
(() => {
  const KEPT = 60; // seconds that the secret stays in this page
  const TOKEN = /^#[A-Za-z0-9_-]{43}$/;
  const LEFT = 'The secret was cleared, because you left this page.';
  const DOTS = '••••••••••••';
  let session = null, secret = null, shown = false, used = false, tested = false, state = null, timer = 0;

  const at = (id) => document.getElementById(id);

  // An element with attributes and children; text becomes text.
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === 'onclick') element.addEventListener('click', value);
      else if (value === true) element.setAttribute(name, '');
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  // A button or link whose name says more than the text on it, and begins with it.
  function named(tag, text, more, attributes) {
    return make(tag, { 'aria-label': `${text}${more}`, ...(tag === 'button' && { type: 'button' }), ...attributes }, text);
  }

  const unseen = (text) => make('span', { class: 'hidden-text' }, text);
  const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
  const day = (time) => new Date(time * 1000).toLocaleDateString(undefined, { dateStyle: 'medium' });
  const moment = (time) => new Date(time * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });

  // Emptied first, so that the same text is read out again.
  function say(text) {
    clearTimeout(timer);
    at('said').textContent = '';
    setTimeout(() => { at('said').textContent = text; }, 50);
    timer = setTimeout(() => { at('said').textContent = ''; }, 6000);
  }

  function warn(text) {
    at('alert').hidden = !text;
    at('alert').textContent = text || '';
  }

  // There is nothing to do here any more: only what to do in the terminal is left.
  function end(title, text) {
    forget();
    session = state = null;
    at('desk').hidden = true;
    at('notice').hidden = false;
    at('notice-title').textContent = title;
    at('notice-text').textContent = text;
    at('until').textContent = at('for').textContent = '';
    at('notice-title').focus();
  }

  const AGAIN = 'Press Enter in the terminal where Moonlatch runs: it shows a new address.';

  async function send(path, body) {
    let answer;
    try {
      answer = await fetch(path, {
        method: 'POST', cache: 'no-store', credentials: 'omit', redirect: 'error', body: JSON.stringify(body || {}),
        headers: { 'Content-Type': 'application/json', ...(session && { 'Moonlatch-Session': session }) },
      });
    } catch {
      end('This page has ended', 'Moonlatch does not run any more, or its time is over. Nothing is lost: '
        + `run ${document.getElementById('command').textContent} --page again.`);
      return null;
    }
    if (answer.ok) return answer;
    const { error } = await answer.json().catch(() => ({ error: 'Moonlatch gave no reason.' }));
    if (answer.status === 401) end('This address was used before', AGAIN);
    else if (answer.status === 403) end('This page is not for you to see', error);
    else warn(error);
    return null;
  }

  // -- The secret -------------------------------------------------------------------------------------------------

  let clearing = 0;

  function forget(why) {
    if (secret === null) return;
    secret = null;
    shown = false;
    clearTimeout(clearing);
    draw_secret();
    if (why) say(why);
  }

  // Fetched once for each address; both buttons then use what is here, until it is cleared.
  async function fetch_secret() {
    if (secret !== null) return true;
    if (used) {
      say('It was given once for this address. ' + AGAIN);
      return false;
    }
    warn();
    const answer = await send('/secret');
    if (!answer) return false;
    used = true;
    secret = (await answer.json()).secret;
    clearing = setTimeout(() => forget('The secret was cleared from this page.'), KEPT * 1000);
    if (document.hidden) forget(LEFT); // left while it came
    return secret !== null;
  }

  async function show() {
    if (shown) {
      shown = false;
      draw_secret();
      return;
    }
    if (!await fetch_secret()) return;
    shown = true;
    draw_secret();
    draw_confirm();
    say(`The secret is shown. It is cleared in ${KEPT} seconds, and when you leave this page.`);
  }

  async function copy_secret() {
    if (!await fetch_secret()) return;
    try {
      await navigator.clipboard.writeText(secret);
      say('The secret is copied. Paste it into the form, and delete it from the clipboard afterwards.');
    } catch {
      shown = true;
      say('The browser did not let this page copy. The secret is shown: copy it by hand.');
    }
    draw_secret();
    draw_confirm();
  }

  function draw_secret() {
    const value = at('secret');
    if (!value) return;
    value.replaceChildren(...(shown ? [secret] : [make('span', { 'aria-hidden': 'true' }, DOTS), unseen('not shown')]));
    at('show').textContent = shown ? 'Hide' : 'Show';
    at('show').setAttribute('aria-label', `${at('show').textContent} the secret`);
    const over = used && secret === null;
    for (const id of ['copy-secret', 'show']) at(id).setAttribute('aria-disabled', over);
    at('secret-note').textContent = over ? 'Given once for this address, and cleared. ' + AGAIN
      : 'The Value, not the Secret ID. Given once for this address; cleared after a minute and when you leave.';
  }

  // -- What is shown ----------------------------------------------------------------------------------------------

  async function copy(name, value) {
    try {
      await navigator.clipboard.writeText(value);
      say(`${name} is copied.`);
    } catch {
      say('The browser did not let this page copy: select the value by hand.');
    }
  }

  function field_row(field) {
    const name = make('dt', null, field.field, field.optional ? ' (optional)' : null);
    const note = field.note && make('dd', { class: 'note' }, sentence(field.note));
    if (field.secret) return secret_row(name);
    if (!field.value) return make('div', null, name, note);
    const button = named('button', 'Copy', ` ${field.field}`,
      { class: 'quiet', onclick: () => copy(field.field, field.value) });
    return make('div', null, name, make('dd', { class: 'value' }, field.value), make('dd', { class: 'buttons' }, button),
      note);
  }

  function secret_row(name) {
    return make('div', { class: 'secret' }, name, make('dd', { class: 'value', id: 'secret' }),
      make('dd', { class: 'buttons' },
        named('button', 'Copy', ' the secret',
          { id: 'copy-secret', class: 'primary', 'aria-describedby': 'secret-note', onclick: copy_secret }),
        named('button', 'Show', ' the secret', { id: 'show', 'aria-describedby': 'secret-note', onclick: show })),
      make('dd', { class: 'note', id: 'secret-note' }));
  }

  function how_row(name, content) {
    return content ? [make('div', null, make('dt', null, name), make('dd', null, content))] : [];
  }

  // A link to elsewhere, which is told nothing of this page.
  function away(address, text, more) {
    if (!/^https:\/\//.test(address || '')) return null;
    return named('a', text, `${more} (opens in a new tab)`, { href: address, target: '_blank', rel: 'noopener noreferrer' });
  }

  function item_how(item) {
    return make('details', { open: item.key === state.next },
      make('summary', null, 'Where and how', unseen(`: ${item.what}`)),
      make('dl', { class: 'how' }, ...how_row('Who', item.who && sentence(item.who)), ...how_row('Where', item.where),
        ...how_row('Done when', item.known_by && sentence(item.known_by)),
        ...how_row('Read more', away(item.link, "The vendor's page", ` on: ${item.what}`))));
  }

  function item_button(item, done) {
    const id = 'tick-' + item.key;
    if (done && item.key === 'provider') return null; // follows from the secret, which was confirmed
    if (item.key === 'provider') return make('a', { class: 'button', href: '#form-title', id }, 'Go to the form');
    return named('button', done ? 'Take back' : 'Mark as done', `: ${item.what}`,
      { id, class: done ? 'quiet' : null, onclick: () => tick(item, !done) });
  }

  function item_row(item) {
    const done = item.state === 'done', next = item.key === state.next;
    const said = done && [item.by && 'by ' + item.by, item.at && moment(item.at)].filter(Boolean).join(', ');
    return make('li', { class: 'item' + (done ? ' done' : next ? ' next' : ''), 'aria-current': next ? 'step' : null },
      make('span', { class: 'mark', 'aria-hidden': 'true' }, done ? '✓' : String(item.number)),
      make('div', { class: 'body' },
        make('p', { class: 'what' }, unseen(done ? 'Done: ' : `${item.number}. `), sentence(item.what),
          ...(item.required ? [] : [' ', make('span', { class: 'tag' }, 'recommended')]),
          ...(next ? [' ', make('span', { class: 'tag' }, 'next')] : [])),
        said ? make('p', { class: 'meta' }, 'Done ' + said) : null,
        item.note ? make('p', { class: 'meta' }, sentence(item.note)) : null,
        item_how(item)),
      make('p', { class: 'buttons' }, item_button(item, done)));
  }

  function secret_line() {
    const { has, waiting } = state.secret, parts = [];
    if (has) {
      parts.push(`In use: the secret ${has.short}` + (has.ends ? `, which ${has.expired ? 'ended' : 'ends'} on `
        + `${day(has.ends)}.` : '.'));
    }
    if (waiting) parts.push(`To be pasted: ${waiting.short}` + (waiting.ends ? `, good until ${day(waiting.ends)}.` : '.'));
    return parts.join(' ');
  }

  function draw_form() {
    const form = state.form;
    at('form-title').textContent = form ? sentence(form.title)
      : state.secret.has ? 'The secret is in its place' : 'Nothing to fill in';
    at('form-where').textContent = form ? form.where : 'Nothing waits to be put into a form.';
    at('form-link').replaceChildren(away(form && form.link, `Open ${form && form.link}`, '') || '');
    at('secret-line').textContent = secret_line();
    at('secret-line').hidden = !secret_line();
    at('fields').replaceChildren(...(form ? form.fields.map(field_row) : []));
    at('fields').hidden = !form;
    at('proof').hidden = !(form && form.proof && form.proof.length) && !at('proof-lines').children.length;
    if (form) at('proof-lines').replaceChildren(...form.proof.map((line) => make('li', null, sentence(line))));
  }

  function draw_confirm() {
    const form = state.form, given = used || state.secret.state === 'given';
    at('confirm').hidden = !(form && form.purpose !== 'remove' && state.secret.waiting);
    at('clipboard-hint').hidden = !at('secret');
    at('confirm-text').textContent = given
      ? `Press Test connection there, then ${form ? form.button : 'save'}; and say here what happened.`
      : 'First copy the secret, or show it, and paste it into the form.';
    at('tested').setAttribute('aria-pressed', tested);
    for (const id of ['tested', 'saved']) at(id).setAttribute('aria-disabled', !given);
  }

  function draw_list() {
    const done = state.items.filter((item) => item.state === 'done').length;
    at('progress-text').textContent = `${done} of ${state.items.length} done` + (state.open
      ? `, ${state.open} still needed` : ', nothing needed is left');
    at('progress').max = state.items.length;
    at('progress').value = done;
    at('items').replaceChildren(...state.items.map(item_row));
  }

  const CONSUMERS = { cloud: 'Devolutions Cloud', server: 'Devolutions Server' };

  function draw(fresh) {
    state = fresh;
    tested = state.page.tested;
    used = used || state.page.given;
    at('notice').hidden = true;
    at('desk').hidden = false;
    const consumer = CONSUMERS[state.consumer] || 'The consumer';
    at('title').textContent = state.complete ? `${state.name} is handed over` : `Hand ${state.name} over`;
    const place = state.address ? `${consumer} at ${state.address}` : consumer;
    at('lead').textContent = state.complete ? `${place} has all it needs.`
      : state.consumer === 'none' ? 'Whatever signs in as this application is given its secret by hand.'
      : `A person does this part by hand, item by item: ${place} has no public interface for it.`;
    at('until').textContent = 'Ends at ' + new Date(Date.now() + state.page.ends_in * 1000)
      .toLocaleTimeString(undefined, { timeStyle: 'short' }) + ' if nothing is confirmed';
    at('for').textContent = `, for ${state.page.person} only`;
    draw_list();
    draw_form();
    draw_secret();
    draw_confirm();
  }

  // -- What the buttons do ----------------------------------------------------------------------------------------

  // An answer with the new state; the keyboard stays where it was.
  async function act(path, body) {
    warn();
    const answer = await send(path, body);
    if (!answer) return false;
    const focused = document.activeElement && document.activeElement.id;
    draw(await answer.json());
    if (focused && at(focused)) at(focused).focus({ preventScroll: true });
    return true;
  }

  async function tick(item, done) {
    if (await act('/tick', { key: item.key, done })) say(done ? 'Marked as done.' : 'Taken back.');
  }

  // Buttons that wait stay reachable, and say why they wait.
  function ready(button) {
    if (button.getAttribute('aria-disabled') !== 'true') return true;
    say(at('confirm-text').textContent);
    return false;
  }

  async function test() {
    if (ready(at('tested')) && await act('/tested', { done: !tested })) {
      say(tested ? 'Noted. Now save the form.' : 'Taken back.');
    }
  }

  async function save() {
    if (!ready(at('saved')) || !await act('/confirm', { id: state.secret.id })) return;
    forget();
    say('Confirmed: the new secret is in use.');
    at(at('proof').hidden ? 'title' : 'proof-title').focus();
  }

  async function calendar() {
    const answer = await send('/calendar');
    if (!answer) return;
    const link = make('a', { href: URL.createObjectURL(await answer.blob()), download: 'moonlatch.ics' });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    say('The calendar file is downloaded.');
  }

  async function finish() {
    if (await send('/end')) end('You can close this page', 'Moonlatch goes on in the terminal.');
  }

  // The token leaves the address at once: it is good for one session.
  async function begin() {
    const token = location.hash;
    if (!TOKEN.test(token)) return;
    history.replaceState(null, '', location.pathname);
    forget();
    session = null;
    used = false;
    const answer = await send('/session', { token: token.slice(1) });
    if (!answer) return;
    session = (await answer.json()).session;
    const first = await send('/state');
    if (!first) return;
    draw(await first.json());
    at('title').focus();
  }

  at('tested').addEventListener('click', test);
  at('saved').addEventListener('click', save);
  at('calendar').addEventListener('click', calendar);
  at('end').addEventListener('click', finish);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) forget(LEFT);
  });
  addEventListener('pagehide', () => forget());
  addEventListener('hashchange', begin);
  if (TOKEN.test(location.hash)) begin();
  else end('Open the address from the terminal', AGAIN);
})();
