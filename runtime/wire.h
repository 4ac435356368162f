/* Texts of HTTP for the protocol modules: escaping what is sent, and reading answers without trusting them. No I/O,
 * and nothing about a single service. */
#ifndef WIRE_H
#define WIRE_H

#include "request.h"

/* Append the string at index, percent-encoded but for RFC 3986's unreserved
 * characters and those in plain. [-0, +0, m] */
void wire_escape(lua_State *L, struct buffer *out, const char *text, size_t length, const char *plain);

/* The whole of a Lua function segment(value): push the string at index 1 as one
 * segment of a path; raises where it could be read as more or none. Returns 1.
 * [-0, +1, e] */
int wire_segment(lua_State *L, const char *plain);

/* Append "name=value" to a form body: an '&' before all but the first. [-0, +0, m] */
void wire_form(lua_State *L, struct buffer *out, const char *name, const char *value, size_t length);

/* Append "?name=value&…" for the table of strings at index, names sorted;
 * nothing when it is nil or empty. Raises for other types. [-0, +0, e] */
void wire_query(lua_State *L, int index, struct buffer *out);

/* Why a request may not have this path; NULL when it may ("/users/{id}", escaped, no query, no "." or ".." in any
 * spelling). The gate checks this path and libcurl sends it, so both must read the same. */
const char *wire_path_fault(const char *path, size_t length);

/* Return the path part of url: everything after scheme://authority. */
const char *wire_path_of(const char *url);

/* Push the names of the members of the table at index, sorted and joined by
 * commas; nil when it is no table or a list. Raises for a name with a NUL. [-0, +1, e] */
void wire_members(lua_State *L, int index);

/* Are these bytes 1 to 64 KiB of visible ASCII: may they stand in a header? */
int wire_visible(const char *bytes, size_t length);

/* Push the member of the table at index when it is a string, else nil; the
 * text, or NULL. Numbers are no strings here, nor is a text with a NUL in it. [-0, +1, -] */
const char *wire_string(lua_State *L, int index, const char *name);

/* Push the first line of a text from the far side: no control characters, at
 * most 500 bytes, cut between characters. It may repeat the secrets it was
 * sent: they are masked now, because later they may be closed and unknown. [-0, +1, m] */
void wire_line(lua_State *L, const char *text);

/* Set a member of the table on top of the stack to the first line of text;
 * NULL sets nothing. [-0, +0, m] */
void wire_set_line(lua_State *L, const char *name, const char *text);

/* The answer's Date in seconds since 1970, or -1. */
double wire_date(const struct answer *answer);

/* Retry-After in whole seconds from now, given as seconds (a fraction is rounded up) or as a
 * date (0 for one that is past), at most a year; -1 when there is none that can be read. */
double wire_retry_after(const struct answer *answer);

/* What a caller branches on, from the status alone: "auth", "denied", "missing",
 * "conflict", "throttled", "transient" (worth another try), "refused", or
 * "bad_answer" for what is no HTTP failure. */
const char *wire_kind(long status);

/* Does the answer call its body HTML, or does it look like it? */
int wire_is_html(const struct answer *answer);

#endif
