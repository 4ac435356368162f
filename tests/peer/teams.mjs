// A channel of Teams: the library of Adaptive Cards judges each card that arrives.
//
//   node teams.mjs FOLDER
//
// FOLDER holds key.pem and cert.pem of the server. Answers 202 to a message with one card that the library parses as
// version 1.4 without a remark, and 400 with its remarks to another one. FOLDER/cards has one JSON line for each card:
// its size, and the texts as the library read them. Prints one JSON line, and serves until standard input ends.
import { appendFileSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import https from 'node:https';

const cards = createRequire(import.meta.url)('adaptivecards/dist/adaptivecards.js');
const folder = process.argv[2];
const read = (name) => readFileSync(`${folder}/${name}`, 'utf8');
const LARGEST = 28 * 1024; // bytes of a message

// The texts of a card, in order, and whether each is of a kind in which no Markdown is read.
function textsOf(container) {
  const texts = [];
  for (let i = 0; i < container.getItemCount(); i++) {
    const item = container.getItemAt(i);
    if (item instanceof cards.RichTextBlock) {
      for (let k = 0; k < item.getInlineCount(); k++) texts.push({ text: item.getInlineAt(k).text, plain: true });
    } else texts.push({ text: item.text, plain: false });
  }
  return texts;
}

function judge(body) {
  if (body.length > LARGEST) return [`the message has ${body.length} bytes`];
  const message = JSON.parse(body.toString('utf8'));
  const [attachment, ...others] = message.attachments ?? [];
  if (message.type !== 'message' || others.length > 0) return ['it is no message with one attachment'];
  if (attachment.contentType !== 'application/vnd.microsoft.card.adaptive') return ['the attachment is no card'];
  const context = new cards.SerializationContext(cards.Versions.v1_4), card = new cards.AdaptiveCard();
  card.parse(attachment.content, context);
  const remarks = [];
  for (let i = 0; i < context.eventCount; i++) remarks.push(context.getEventAt(i).message);
  for (const event of card.validateProperties().validationEvents) remarks.push(event.message);
  if (card.getItemCount() !== attachment.content.body.length) remarks.push('the library dropped a part of it');
  appendFileSync(`${folder}/cards`, `${JSON.stringify({ size: body.length, texts: textsOf(card) })}\n`);
  return remarks;
}

const server = https.createServer({ key: read('key.pem'), cert: read('cert.pem') }, (request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const remarks = judge(Buffer.concat(parts));
    if (remarks.length === 0) return response.writeHead(202).end();
    response.writeHead(400, { 'Content-Type': 'application/json' })
      .end(JSON.stringify({ error: { code: 'InvalidCard', message: remarks.join('; ') } }));
  });
});

server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ base: `https://127.0.0.1:${server.address().port}` }));
});
process.stdin.resume().on('end', () => process.exit(0));
