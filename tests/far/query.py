"""What is understood of OData: $filter with eq, ne, and, or, startswith, in, any; $select; pages."""

import re

TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|([(),])|([A-Za-z_][\w./]*:?)|([^\s(),']+))")


class Unsupported(Exception):
    """A query that this far side does not understand."""


def tokens_of(text):
    found, place = [], 0
    while place < len(text.rstrip()):
        match = TOKEN.match(text, place)
        if not match:
            raise Unsupported(text)
        found.append(match.group(0).strip())
        place = match.end()
    return found


def value_of(token):
    if token.startswith("'"):
        return token[1:-1].replace("''", "'")
    return {"true": True, "false": False, "null": None}.get(token, token)


def same(left, right):
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    return left == right


def member(thing, name):
    for part in name.split("/"):
        thing = thing.get(part) if isinstance(thing, dict) else None
    return thing


class Filter:
    """A predicate made of a $filter."""

    def __init__(self, text):
        self.text, self.tokens, self.place = text, tokens_of(text), 0
        self.test = self.either()
        if self.place != len(self.tokens):
            raise Unsupported(text)

    def peek(self):
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def take(self, wanted=None):
        token = self.peek()
        if token is None or (wanted is not None and token != wanted):
            raise Unsupported(self.text)
        self.place += 1
        return token

    def either(self):
        tests = [self.both()]
        while self.peek() == "or":
            self.take()
            tests.append(self.both())
        return lambda thing: any(test(thing) for test in tests)

    def both(self):
        tests = [self.one()]
        while self.peek() == "and":
            self.take()
            tests.append(self.one())
        return lambda thing: all(test(thing) for test in tests)

    def one(self):
        token = self.take()
        if token == "(":
            test = self.either()
            self.take(")")
            return test
        if token == "not":
            inner = self.one()
            return lambda thing: not inner(thing)
        if token == "startswith":
            return self.starts()
        if token.endswith("/any"):
            return self.some(token[:-4])
        return self.compare(token)

    def starts(self):
        self.take("(")
        name = self.take()
        self.take(",")
        value = value_of(self.take())
        self.take(")")
        return lambda thing: str(member(thing, name) or "").lower().startswith(value.lower())

    def some(self, name):
        self.take("(")
        variable = self.take().rstrip(":")
        inner = self.either()
        self.take(")")
        return lambda thing: any(inner({variable: item}) for item in member(thing, name) or [])

    def compare(self, name):
        operator = self.take()
        if operator == "in":
            self.take("(")
            values = []
            while self.peek() != ")":
                values.append(value_of(self.take()))
                if self.peek() == ",":
                    self.take()
            self.take(")")
            return lambda thing: any(same(member(thing, name), value) for value in values)
        value = value_of(self.take())
        tests = {
            "eq": lambda thing: same(member(thing, name), value),
            "ne": lambda thing: not same(member(thing, name), value),
            "ge": lambda thing: str(member(thing, name)) >= str(value),
            "le": lambda thing: str(member(thing, name)) <= str(value),
        }
        if operator not in tests:
            raise Unsupported(self.text)
        return tests[operator]


def select(thing, names):
    """The members that $select names; all without."""
    if not names:
        return dict(thing)
    wanted = {name.strip().lower() for name in names.split(",")}
    return {name: value for name, value in thing.items() if name.lower() in wanted or name == "@odata.type"}
