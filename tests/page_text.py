"""Read a page as a browser would, with Python's html.parser, which shares nothing with us.

    page_text.py FILE      prints one JSON document: what is in the page
"""
import html.parser
import json
import sys

OUTSIDE = {'href', 'src', 'srcset', 'action', 'formaction', 'data', 'poster', 'xlink:href', 'background', 'cite', 'ping',
           'manifest', 'codebase', 'icon', 'longdesc'}
VOID = {'meta', 'br', 'link', 'img', 'input', 'hr', 'base', 'area', 'col', 'embed', 'source', 'track', 'wbr'}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.handlers, self.outside, self.ids, self.metas = {}, [], [], [], []
        self.texts, self.names, self.styles, self.open, self.unbalanced = [], [], [], [], []
        self.labels, self.images = [], 0

    def handle_starttag(self, tag, attributes):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        values = dict(attributes)
        for name, value in attributes:
            if name.startswith('on'):
                self.handlers.append(name)
            if name in OUTSIDE or (name == 'style'):
                self.outside.append(f'{tag} {name}={value}')
            if name == 'id':
                self.ids.append(value)
            if name in ('aria-labelledby', 'aria-describedby'):
                self.labels += value.split()
        if tag == 'meta':
            self.metas.append(values)
        if tag == 'svg' and values.get('aria-hidden') != 'true':
            self.images += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.unbalanced.append(tag)
        else:
            self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == 'style':
            self.styles.append(data)
        elif data.strip():
            (self.names if 'bdi' in self.open else self.texts).append(data)


page = Page()
with open(sys.argv[1], encoding='utf-8', errors='strict') as file:
    text = file.read()
page.feed(text)
page.close()
print(json.dumps({
    'tags': page.tags, 'handlers': page.handlers, 'outside': page.outside, 'metas': page.metas, 'names': page.names,
    'texts': page.texts, 'unbalanced': page.unbalanced + page.open, 'styles': ''.join(page.styles), 'bytes': len(text),
    'unlabelled': [one for one in page.labels if one not in page.ids], 'images': page.images,
    'twice': sorted({one for one in page.ids if page.ids.count(one) > 1}),
}))
