/* Helpers of the protocol modules: escaping what is sent, and reading answers without trusting them. No I/O, and
 * nothing about a single service. */
#ifndef WIRE_H
#define WIRE_H

#include "request.h"

/* Append text to out, percent-encoded except RFC 3986's unreserved characters and those in plain. [-0, +0, m] */
void wire_escape(lua_State *L, struct buffer *out, const char *text, size_t length, const char *plain);

/* The Lua functions graph.segment and devolutions.segment: push the string at index 1 as one segment of a path; raise
 * an argument error when it could be read as none or several. Returns 1. [-0, +1, e] */
int wire_push_segment(lua_State *L, const char *plain);

/* Append "name=value" to a form body, with '&' before it unless it is the first field. [-0, +0, m] */
void wire_append_form_field(lua_State *L, struct buffer *out, const char *name, const char *value, size_t length);

/* Append "?name=value&…" for the table of strings at index, names sorted; nothing when it is nil or empty. Raises an
 * error for other types. [-0, +0, e] */
void wire_append_query(lua_State *L, int index, struct buffer *out);

/* Return why a request may not have this path, or NULL ("/users/{id}", escaped, no query, no "." or ".." in any
 * spelling). The gate checks this path and libcurl sends it, so both must read the same. */
const char *wire_path_problem(const char *path, size_t length);

/* Return the path part of url: everything after scheme://authority. */
const char *wire_path_of(const char *url);

/* Push the names of the members of the table at index, sorted and joined by commas; nil when it is a list or no
 * table. Raises an error for a name with a NUL. [-0, +1, e] */
void wire_push_members(lua_State *L, int index);

/* Are these 1 to 64 KiB of visible ASCII, which may be in a header? */
int wire_is_visible(const char *bytes, size_t length);

/* Push the member of the table at index when it is a string without a NUL, else nil. Returns the text, or NULL. [-0,
 * +1, -] */
const char *wire_push_string(lua_State *L, int index, const char *name);

/* Push the first line of a text from a server: without control characters, at most 500 bytes, cut between characters.
 * The server may repeat secrets that it was sent: they are masked now, because later they may be closed and unknown.
 * [-0, +1, m] */
void wire_push_line(lua_State *L, const char *text);

/* Set a member of the table on top of the stack to the first line of text; for NULL set nothing. [-0, +0, m] */
void wire_set_line(lua_State *L, const char *name, const char *text);

/* Return the answer's Date in seconds since 1970, or -1. */
double wire_date(const struct answer *answer);

/* Return Retry-After in whole seconds from now, at most a year; -1 when it is missing or invalid. It is given in
 * seconds (a fraction is rounded up) or as a date (0 for a past one). */
double wire_retry_after(const struct answer *answer);

/* Push a failure of this kind: nil and a table, which the caller may fill further. Returns 2. [-0, +2, m] */
int wire_push_failure(lua_State *L, const struct answer *answer, const char *kind, const char *message);

/* Return the kind of failure for an HTTP status: "auth", "denied", "missing", "conflict", "throttled", "transient"
 * (worth another try), "refused", or "bad_answer" when the status is not an HTTP error. */
const char *wire_status_kind(long status);

/* Is the body HTML, by its Content-Type or its first character? */
int wire_is_html(const struct answer *answer);

#endif
