/* The gate's audit records: which call, program or file, for which script, why, and the outcome; never a value of a
 * body. They are encoded without Lua tables, because a finalizer records an abandoned transfer. */
#include "gate_internal.h"
#include "utf8.h"

#include "secret.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A record that is being encoded; ok becomes 0 when memory is out. */
struct record {
  struct buffer *text;
  int ok;
};

static void record_append(struct record *record, const char *text, size_t length) {
  record->ok = record->ok && buffer_append(record->text, text, length);
}

/* May this byte be in JSON without an escape? Bytes above 0x7f may not: they are checked as UTF-8. */
static int record_needs_no_escape(char c) {
  return c >= ' ' && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

/* Append one character, and return its length. Bytes that are not UTF-8 become a question mark, so that the record
 * stays JSON. */
static size_t record_append_character(struct record *record, const char *text) {
  char escape[8];
  size_t length = utf8_size(text, strlen(text));
  if (length == 1 && !record_needs_no_escape(*text)) {
    snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)*text);
    record_append(record, escape, 6);
    return 1;
  }
  record_append(record, length ? text : "?", length ? length : 1);
  return length ? length : 1;
}

/* Append the text with JSON escapes; runs of plain ASCII are copied at once. */
static void record_append_escaped(struct record *record, const char *text) {
  while (*text) {
    size_t plain = 0;
    while (record_needs_no_escape(text[plain])) plain++;
    record_append(record, text, plain);
    text += plain;
    if (*text) text += record_append_character(record, text);
  }
}

static void record_append_string(struct record *record, const char *text) {
  record_append(record, "\"", 1);
  record_append_escaped(record, text);
  record_append(record, "\"", 1);
}

/* Append "name": with a comma before it, unless it is the first member. */
static void record_append_name(struct record *record, const char *name) {
  record_append(record, record->text->length > 1 ? "," : "", record->text->length > 1);
  record_append_string(record, name);
  record_append(record, ":", 1);
}

static void record_add_text(struct record *record, const char *name, const char *value) {
  if (!value) return;
  record_append_name(record, name);
  record_append_string(record, value);
}

static void record_add_word(struct record *record, const char *name, const char *word) {
  record_append_name(record, name);
  record_append(record, word, strlen(word));
}

static void record_add_number(struct record *record, const char *name, long number) {
  char text[24];
  snprintf(text, sizeof text, "%ld", number);
  record_add_word(record, name, text);
}

/* Begin a record in a new buffer, which stays on the stack until push_record. [-0, +1, m] */
static struct record record_begin(lua_State *L, const char *id) {
  struct record record = {buffer_new(L), 1};
  record_append(&record, "{", 1);
  record_add_text(&record, "id", id);
  return record;
}

/* End the record: replace the buffer on top of the stack by its text, redacted. [-1, +1, m] */
static void record_push(lua_State *L, struct record *record) {
  record_append(record, "}", 1);
  if (!record->ok) lib_no_memory(L);
  secret_redact(L, record->text->data, record->text->length);
  buffer_free(record->text);
  lua_remove(L, -2);
}

/* Add the calls of a $batch: [{"method":…,"path":…,"members":…},…] */
static void record_add_batch_calls(struct record *record, const struct request *request) {
  record_append_name(record, "calls");
  record_append(record, "[", 1);
  for (size_t i = 0; i < request->call_count; i++) {
    const struct call *call = &request->calls[i];
    record_append(record, ",{\"method\":" + !i, 11 - !i);
    record_append_string(record, call->method);
    record_add_text(record, "path", call->path);
    record_add_text(record, "members", call->members);
    record_append(record, "}", 1);
  }
  record_append(record, "]", 1);
}

void gate_record_request(lua_State *L, const char *id, const struct request *request, const char *script,
                         const char *note) {
  struct record record = record_begin(L, id);
  const struct call *single_call = request->call_count == 1 ? request->calls : NULL;
  record_add_text(&record, "peer", request->peer);
  record_add_text(&record, "method", request->method);
  record_add_text(&record, "origin", request->origin);
  if (single_call) record_add_text(&record, "path", single_call->path);
  if (single_call) record_add_text(&record, "members", single_call->members);
  if (!single_call) record_add_batch_calls(&record, request);
  record_add_text(&record, "script", script);
  record_add_text(&record, "note", note);
  record_add_text(&record, "client_request_id", request_find_header(request, "client-request-id"));
  record_push(L, &record);
}

void gate_record_answer(lua_State *L, const char *id, const struct answer *answer) {
  struct record record = record_begin(L, id);
  const char *request_id = answer_header(answer, "request-id");
  record_add_number(&record, "status", answer->status);
  record_add_text(&record, "request_id", request_id ? request_id : answer_header(answer, "x-ms-request-id"));
  record_push(L, &record);
}

void gate_record_failure(lua_State *L, const char *id, const char *kind, int maybe_sent) {
  struct record record = record_begin(L, id);
  record_add_text(&record, "failure", kind);
  record_add_word(&record, "maybe_sent", maybe_sent ? "true" : "false");
  record_push(L, &record);
}

void gate_record_program_start(lua_State *L, const char *id, const char *name, const char *program, const char *script,
                               const char *note) {
  struct record record = record_begin(L, id);
  record_add_text(&record, "name", name);
  record_add_text(&record, "program", program);
  record_add_text(&record, "script", script);
  record_add_text(&record, "note", note);
  record_push(L, &record);
}

void gate_record_program_end(lua_State *L, const char *id, long status) {
  struct record record = record_begin(L, id);
  record_add_number(&record, "status", status);
  record_push(L, &record);
}

void gate_record_file(lua_State *L, const char *folder, const char *file, const char *script, const char *note) {
  struct record record = record_begin(L, NULL);
  record_add_text(&record, "folder", folder);
  record_add_text(&record, "file", file);
  record_add_text(&record, "script", script);
  record_add_text(&record, "note", note);
  record_push(L, &record);
}
