/* The records of the gate: which call, program or file, for which script, why, and the outcome; never a value
 * of a body. They are written without a Lua table, because a finalizer records an abandoned transfer. */
#include "gate_internal.h"
#include "utf8.h"

#include "secret.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A record under construction; ok turns 0 when memory is out. */
struct record {
  struct buffer *text;
  int ok;
};

static void add(struct record *record, const char *text, size_t length) {
  record->ok = record->ok && buffer_append(record->text, text, length);
}

/* Does JSON need no escape for this byte? (call only with ASCII bytes) */
static int is_plain(char c) {
  return c >= ' ' && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

/* Add one character, and return its length. Bytes that are not UTF-8 become a question mark, so that the record
 * stays JSON. */
static size_t add_character(struct record *record, const char *text) {
  char escape[8];
  size_t length = utf8_size(text, strlen(text));
  if (length == 1 && !is_plain(*text)) {
    snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)*text);
    add(record, escape, 6);
    return 1;
  }
  add(record, length ? text : "?", length ? length : 1);
  return length ? length : 1;
}

/* Add the text with JSON escapes; runs of plain ASCII are copied at once. */
static void add_escaped(struct record *record, const char *text) {
  while (*text) {
    size_t plain = 0;
    while (is_plain(text[plain])) plain++;
    add(record, text, plain);
    text += plain;
    if (*text) text += add_character(record, text);
  }
}

static void add_string(struct record *record, const char *text) {
  add(record, "\"", 1);
  add_escaped(record, text);
  add(record, "\"", 1);
}

/* "name": with the comma before it, unless it is the first. */
static void add_name(struct record *record, const char *name) {
  add(record, record->text->length > 1 ? "," : "", record->text->length > 1);
  add_string(record, name);
  add(record, ":", 1);
}

static void add_field(struct record *record, const char *name, const char *value) {
  if (!value) return;
  add_name(record, name);
  add_string(record, value);
}

static void add_word(struct record *record, const char *name, const char *word) {
  add_name(record, name);
  add(record, word, strlen(word));
}

static void add_number(struct record *record, const char *name, long number) {
  char text[24];
  snprintf(text, sizeof text, "%ld", number);
  add_word(record, name, text);
}

/* [-0, +1, m]: the buffer stays on the stack until close. */
static struct record begin(lua_State *L, const char *id) {
  struct record record = {buffer_new(L), 1};
  add(&record, "{", 1);
  add_field(&record, "id", id);
  return record;
}

/* Replace the buffer on top of the stack by its text, redacted. [-1, +1, m] */
static void finish(lua_State *L, struct record *record) {
  add(record, "}", 1);
  if (!record->ok) lib_no_memory(L);
  secret_redact(L, record->text->data, record->text->length);
  buffer_free(record->text);
  lua_remove(L, -2);
}

/* The value of a request's header, or NULL. */
static const char *header_of(const struct request *request, const char *name) {
  size_t length = strlen(name);
  for (const char *line = buffer_next_text(&request->headers, NULL); line;
       line = buffer_next_text(&request->headers, line))
    if (strncasecmp(line, name, length) == 0 && line[length] == ':') return line + length + 2;
  return NULL;
}

/* The calls of a $batch: [{"method":…,"path":…,"members":…},…] */
static void add_calls(struct record *record, const struct request *request) {
  add_name(record, "calls");
  add(record, "[", 1);
  for (size_t i = 0; i < request->call_count; i++) {
    const struct call *call = &request->calls[i];
    add(record, ",{\"method\":" + !i, 11 - !i);
    add_string(record, call->method);
    add_field(record, "path", call->path);
    add_field(record, "members", call->members);
    add(record, "}", 1);
  }
  add(record, "]", 1);
}

void gate_record_request(lua_State *L, const char *id, const struct request *request, const char *script,
                         const char *note) {
  struct record record = begin(L, id);
  const struct call *only = request->call_count == 1 ? request->calls : NULL;
  add_field(&record, "peer", request->peer);
  add_field(&record, "method", request->method);
  add_field(&record, "origin", request->origin);
  if (only) add_field(&record, "path", only->path);
  if (only) add_field(&record, "members", only->members);
  if (!only) add_calls(&record, request);
  add_field(&record, "script", script);
  add_field(&record, "note", note);
  add_field(&record, "client_request_id", header_of(request, "client-request-id"));
  finish(L, &record);
}

void gate_record_answer(lua_State *L, const char *id, const struct answer *answer) {
  struct record record = begin(L, id);
  const char *request_id = answer_header(answer, "request-id");
  add_number(&record, "status", answer->status);
  add_field(&record, "request_id", request_id ? request_id : answer_header(answer, "x-ms-request-id"));
  finish(L, &record);
}

void gate_record_failure(lua_State *L, const char *id, const char *kind, int maybe_sent) {
  struct record record = begin(L, id);
  add_field(&record, "failure", kind);
  add_word(&record, "maybe_sent", maybe_sent ? "true" : "false");
  finish(L, &record);
}

void gate_record_run(lua_State *L, const char *id, const char *name, const char *program, const char *script,
                     const char *note) {
  struct record record = begin(L, id);
  add_field(&record, "name", name);
  add_field(&record, "program", program);
  add_field(&record, "script", script);
  add_field(&record, "note", note);
  finish(L, &record);
}

void gate_record_ran(lua_State *L, const char *id, long status) {
  struct record record = begin(L, id);
  add_number(&record, "status", status);
  finish(L, &record);
}

void gate_record_file(lua_State *L, const char *folder, const char *file, const char *script, const char *note) {
  struct record record = begin(L, NULL);
  add_field(&record, "folder", folder);
  add_field(&record, "file", file);
  add_field(&record, "script", script);
  add_field(&record, "note", note);
  finish(L, &record);
}
