/* The answers to requests; see answer.h. */
#include "answer.h"

#include "json.h"
#include "secret.h"

#include <ctype.h>
#include <string.h>

struct answer *answer_check(lua_State *L, int index) {
  struct answer *answer = lib_check(L, index, ANSWER);
  luaL_argcheck(L, answer->status, index, "answer is closed");
  return answer;
}

/* answer:close(), __close and __gc. Idempotent. */
static int answer_close(lua_State *L) {
  struct answer *answer = lib_check(L, 1, ANSWER);
  buffer_free(&answer->headers);
  buffer_free(&answer->body);
  *answer = (struct answer){0};
  return 0;
}

struct answer *answer_new(lua_State *L, long status) {
  struct answer *answer = lib_new(L, sizeof *answer, ANSWER);
  answer->status = status;
  return answer;
}

int answer_append_header(struct buffer *headers, const char *name, size_t name_length, const char *value,
                         size_t length) {
  size_t begin = headers->length;
  if (!buffer_append(headers, name, name_length) || !buffer_append(headers, ": ", 2) ||
      !buffer_append(headers, value, length) || !buffer_append(headers, "", 1))
    return 0;
  for (char *at = headers->data + begin; name_length > 0; at++, name_length--) *at = (char)tolower((unsigned char)*at);
  return 1;
}

int answer_add_header(struct answer *answer, const char *name, const char *value) {
  return answer_append_header(&answer->headers, name, strlen(name), value, strlen(value));
}

int answer_from_lua(lua_State *L) {
  size_t length;
  lua_Integer status = luaL_checkinteger(L, 1);
  const char *body = luaL_checklstring(L, 3, &length);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_argcheck(L, status >= 100 && status <= 999, 1, "not an HTTP status");
  lua_settop(L, 3);
  struct answer *answer = answer_new(L, (long)status);
  buffer_add(L, &answer->body, body, length);
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    if (lua_type(L, -2) != LUA_TSTRING) return luaL_argerror(L, 2, "header names are strings");
    if (!answer_add_header(answer, lua_tostring(L, -2), luaL_checkstring(L, -1))) return lib_no_memory(L);
    lua_pop(L, 1);
  }
  return 1;
}

const char *answer_header(const struct answer *answer, const char *name) {
  size_t length = strlen(name);
  for (const char *line = buffer_next_text(&answer->headers, NULL); line;
       line = buffer_next_text(&answer->headers, line))
    if (strncmp(line, name, length) == 0 && line[length] == ':') return line + length + 2;
  return NULL;
}

static int answer_status(lua_State *L) {
  lua_pushinteger(L, answer_check(L, 1)->status);
  return 1;
}

/* answer:header(name) -> text, redacted | nil */
static int answer_get_header(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  const char *value = answer_header(answer, lib_checktext(L, 2));
  if (value)
    secret_redact(L, value, strlen(value));
  else
    lua_pushnil(L);
  return 1;
}

/* answer:size() -> bytes of the body, as received and decompressed */
static int answer_get_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)answer_check(L, 1)->body.length);
  return 1;
}

/* answer:json() -> value | nil, message. Members with secret names are secrets in the value. */
static int answer_get_json(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  if (json_decode(L, answer->body.data ? answer->body.data : "", answer->body.length, NULL)) return 1;
  return lib_fail(L, "%s", lua_tostring(L, -1));
}

void answer_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"status", answer_status}, {"header", answer_get_header},
                                     {"json", answer_get_json}, {"size", answer_get_size},
                                     {"close", answer_close},   {NULL, NULL}};
  lib_type(L, ANSWER, methods, answer_close);
}
