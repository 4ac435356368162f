/* host.graph: the protocol of Microsoft Graph, building requests. graph_judge.c judges answers.
 *
 * It says for each request which calls it makes (a $batch makes several), whether it can change something, and
 * whether sending it twice is harmless. It knows nothing about tokens, waiting or retrying.
 */
#include "graph_internal.h"

#include "hex.h"
#include "json.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define BATCH_MOST 20 /* learn.microsoft.com: "Combine multiple HTTP requests using JSON batching" */

#define ID_BYTES 18
#define IDS 14 /* 252 bytes are drawn at once: up to 256 no signal interrupts getrandom */

static const char ids_key;

/* Random bytes for the ids of the next requests. */
struct ids {
  size_t used;
  unsigned char bytes[IDS][ID_BYTES];
};

/* ---- what a call does ---- */

static int is_one_of(const char *text, size_t length, const char *const *list) {
  for (; *list; list++)
    if (strlen(*list) == length && memcmp(*list, text, length) == 0) return 1;
  return 0;
}

/* POSTs that only ask, by their last segment. Nothing that can be created has one of these names. */
static int is_question(const char *path) {
  static const char *const questions[] = {"checkMemberGroups", "checkMemberObjects", "getAvailableExtensionProperties",
                                          "getByIds",          "getMemberGroups",    "getMemberObjects",
                                          "validatePassword",  "validateProperties", NULL};
  const char *last = strrchr(path, '/') + 1;
  return is_one_of(last, strlen(last), questions);
}

static int is_read(const char *method, const char *path) {
  return strcmp(method, "GET") == 0 || (strcmp(method, "POST") == 0 && is_question(path));
}

/* Only a POST makes something new each time; PATCH, PUT and DELETE describe the result. */
static int is_repeatable(const char *method, const char *path) {
  return strcmp(method, "POST") != 0 || is_question(path);
}

static void add_call(lua_State *L, struct request *request, const char *method, const char *path, const char *members) {
  request_call(L, request, method, path, members);
  request->calls[request->call_count - 1].changes = !is_read(method, path);
  request->changes |= !is_read(method, path);
  request->repeatable &= is_repeatable(method, path);
}

/* ---- arguments ---- */

static const char *check_method(lua_State *L, int index) {
  static const char *const methods[] = {"GET", "POST", "PATCH", "PUT", "DELETE", NULL};
  return methods[luaL_checkoption(L, index, NULL, methods)];
}

static const char *check_path(lua_State *L, int index) {
  size_t length;
  const char *path = luaL_checklstring(L, index, &length);
  const char *fault = wire_path_fault(path, length);
  if (fault) luaL_argerror(L, index, lua_pushfstring(L, "no path that can be sent: %s in '%s'", fault, path));
  return path;
}

static const char *const allowed[] = {"ConsistencyLevel", "Prefer", NULL}; /* the headers that scripts may choose */

/* Set the headers of the table at index; any that scripts may not choose is an error. */
static void set_headers(lua_State *L, struct request *request, int index) {
  if (lua_isnoneornil(L, index)) return;
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    if (!is_one_of(name, strlen(name), allowed)) luaL_error(L, "header '%s' cannot be set here", name);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "header '%s' is no string", name);
    request_header(L, request, name, lib_checktext(L, -1));
    lua_pop(L, 1);
  }
}

/* Random bytes of the next id; one call of the system's is a hundredth of a small request. [-0, +0, e] */
static const unsigned char *draw_id(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &ids_key) == LUA_TNIL) {
    lua_pop(L, 1);
    struct ids *fresh = lua_newuserdatauv(L, sizeof *fresh, 0);
    fresh->used = IDS;
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &ids_key);
  }
  struct ids *ids = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (ids->used == IDS) {
    if (getrandom(ids->bytes, sizeof ids->bytes, 0) != sizeof ids->bytes) luaL_error(L, "no random bytes");
    ids->used = 0;
  }
  return ids->bytes[ids->used++];
}

/* A random (version 4) UUID, so that a call can be found in Microsoft's logs
 * even when its answer is lost. No secret, so the system's own generator will
 * do, which takes a fraction of the time of OpenSSL's. */
static void set_client_id(lua_State *L, struct request *request) {
  char text[37];
  hex_uuid(draw_id(L), text);
  request_header(L, request, "client-request-id", text);
  request_header(L, request, "return-client-request-id", "true");
}

static struct request *new_request(lua_State *L, const char *method, const char *url, int headers) {
  struct request *request = request_new(L, "graph", method, url);
  request_header(L, request, "Accept", "application/json");
  set_client_id(L, request);
  set_headers(L, request, headers);
  request->changes = 0;
  request->repeatable = 1;
  return request;
}

/* ---- $batch ---- */

/* Push the string member of the inner request on top, or raise. [-0, +1, e] */
static const char *inner_text(lua_State *L, const char *name, lua_Integer i) {
  const char *text = wire_string(L, -1, name);
  if (!text) luaL_error(L, "request %d of the batch has no %s", (int)i, name);
  return text;
}

/* Raise unless the table on top of the stack has only these members, in this spelling: a server that does not tell
 * "URL" from "url" would carry out another call than the one that is checked. [-0, +0, e] */
static void check_only(lua_State *L, const char *what, const char *const *members) {
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    if (!is_one_of(name, strlen(name), members)) luaL_error(L, "%s: it has no member '%s'", what, name);
  }
}

/* Raise unless the header whose name and value are on top of the stack may stand in an inner request. A server may
 * make another call of it by X-HTTP-Method-Override, or take it for another caller's by Authorization. */
static void check_inner_header(lua_State *L, const char *what) {
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
  const char *value = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  int is_json = value && strcmp(name, "Content-Type") == 0 && strcmp(value, "application/json") == 0;
  if (!is_json && !is_one_of(name, strlen(name), allowed)) luaL_error(L, "%s: header '%s' cannot be set", what, name);
  if (!value || !request_is_header_text(value, lua_rawlen(L, -1)))
    luaL_error(L, "%s: header '%s' has no value that can be sent", what, name);
}

/* Raise unless all that is beside the call in the inner request on top of the stack is known. [-0, +0, e] */
static void check_inner(lua_State *L, lua_Integer i) {
  static const char *const members[] = {"id", "method", "url", "headers", "body", "dependsOn", NULL};
  int inner = lua_gettop(L);
  const char *what = lua_pushfstring(L, "request %d of the batch", (int)i);
  if (!lua_istable(L, inner)) luaL_error(L, "%s is no table", what);
  lua_pushvalue(L, inner);
  check_only(L, what, members);
  int type = lua_getfield(L, inner, "headers");
  if (type != LUA_TNIL && type != LUA_TTABLE) luaL_error(L, "%s: its headers are no table", what);
  if (type == LUA_TTABLE)
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) check_inner_header(L, what);
  lua_settop(L, inner);
}

/* Add the call of the inner request on top of the stack: it needs the same
 * permission as if it were sent alone. [-0, +0, e] */
static void add_inner(lua_State *L, struct request *request, lua_Integer i) {
  int inner = lua_gettop(L);
  check_inner(L, i);
  static const char *const methods[] = {"GET", "POST", "PATCH", "PUT", "DELETE", NULL};
  const char *method = inner_text(L, "method", i);
  if (!is_one_of(method, strlen(method), methods))
    luaL_error(L, "request %d of the batch: method '%s'", (int)i, method);
  lua_pushvalue(L, inner);
  const char *url = inner_text(L, "url", i);
  lua_pushlstring(L, url, strcspn(url, "?"));
  const char *path = lua_tostring(L, -1);
  const char *fault = wire_path_fault(path, strlen(path));
  if (!fault && strstr(path, "$batch")) fault = "a batch inside a batch";
  if (fault) luaL_error(L, "request %d of the batch: %s in '%s'", (int)i, fault, path);
  lua_getfield(L, inner, "body");
  wire_members(L, -1);
  add_call(L, request, method, path, lua_tostring(L, -1));
  lua_settop(L, inner);
}

static void add_batch(lua_State *L, struct request *request, int body) {
  static const char *const members[] = {"requests", NULL};
  if (!lua_istable(L, body) || lua_getfield(L, body, "requests") != LUA_TTABLE)
    luaL_error(L, "a batch needs a body with requests");
  lua_pushvalue(L, body);
  check_only(L, "a batch", members);
  lua_pop(L, 1);
  lua_Integer count = luaL_len(L, -1);
  if (count < 1 || count > BATCH_MOST)
    luaL_error(L, "a batch carries 1 to %d requests, not %d", BATCH_MOST, (int)count);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_geti(L, -1, i);
    add_inner(L, request, i);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* ---- functions ---- */

static void add_calls(lua_State *L, struct request *request, const char *method, const char *path, int body) {
  if (strcmp(path, "/$batch") == 0) {
    request->is_batch = 1;
    add_batch(L, request, body);
    return;
  }
  wire_members(L, body);
  add_call(L, request, method, path, lua_tostring(L, -1));
  lua_pop(L, 1);
}

/* graph.request(base, method, path, query?, body?, headers?) -> request */
static int graph_request(lua_State *L) {
  const char *base = lib_checktext(L, 1);
  const char *method = check_method(L, 2);
  const char *path = check_path(L, 3);
  if (!lua_isnoneornil(L, 4)) luaL_checktype(L, 4, LUA_TTABLE);
  if (!lua_isnoneornil(L, 5)) luaL_checktype(L, 5, LUA_TTABLE);
  lua_settop(L, 6);
  struct buffer *url = buffer_borrow(L);
  buffer_add(L, url, base, strlen(base));
  buffer_add(L, url, path, strlen(path));
  wire_query(L, 4, url);
  buffer_add(L, url, "", 1);
  struct request *request = new_request(L, method, url->data, 6);
  buffer_give_back(L, 7);
  add_calls(L, request, method, path, 5);
  if (!lua_isnil(L, 5)) request_json(L, lua_gettop(L), 5);
  return 1;
}

/* Push why the link is no page of base and return 0, or push its path below base and return 1. [-0, +1, m] */
static int push_page_path(lua_State *L, const char *base, const char *link) {
  const char *base_path = wire_path_of(base), *path = wire_path_of(link);
  size_t prefix = strlen(base_path), length = strcspn(path, "?#");
  const char *fault = NULL;
  if (strchr(link, '#') || strchr(link, '\\'))
    fault = "it holds characters no link of Graph's does";
  else if (length <= prefix || strncmp(path, base_path, prefix) != 0)
    fault = "it does not stay below the address of Graph";
  else
    fault = wire_path_fault(path + prefix, length - prefix);
  if (fault)
    lua_pushfstring(L, "the next page's link is refused: %s", fault);
  else
    lua_pushlstring(L, path + prefix, length - prefix);
  return !fault;
}

/* Do both URLs have one origin? Pushes what the answer rests on. [-0, +n, m] */
static int is_same_origin(lua_State *L, const char *base, const char *link) {
  if (!request_origin(L, base)) return luaL_argerror(L, 1, lua_tostring(L, -1));
  const char *origin = lua_tostring(L, -1);
  return request_origin(L, link) && strcmp(lua_tostring(L, -1), origin) == 0;
}

/* graph.next(base, link, headers?) -> request | nil, message */
static int graph_next(lua_State *L) {
  size_t length;
  const char *base = lib_checktext(L, 1);
  const char *link = luaL_checklstring(L, 2, &length);
  lua_settop(L, 3);
  if (!wire_visible(link, length)) return lib_fail(L, "the next page's link is refused: it is no URL");
  if (!is_same_origin(L, base, link))
    return lib_fail(L, "the next page's link is refused: it leads to another host than Graph's");
  if (!push_page_path(L, base, link)) return lib_fail(L, "%s", lua_tostring(L, -1));
  const char *path = lua_tostring(L, -1);
  struct request *request = new_request(L, "GET", link, 3);
  request_call(L, request, "GET", path, NULL);
  return 1;
}

/* Push the buffer at the top of the stack as a string in its place. [-1, +1, m] */
static int push_buffer(lua_State *L, struct buffer *buffer) {
  lua_pushlstring(L, buffer->data ? buffer->data : "", buffer->length);
  return 1;
}

/* graph.changes(method, path) -> boolean */
static int graph_changes(lua_State *L) {
  const char *method = check_method(L, 1);
  const char *path = lib_checktext(L, 2);
  luaL_argcheck(L, *path == '/', 2, "a call's path begins with /");
  lua_pushboolean(L, !is_read(method, path));
  return 1;
}

/* graph.segment(value) -> string */
static int graph_segment(lua_State *L) {
  return wire_segment(L, "@");
}

/* graph.query(query) -> string */
static int graph_query(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  struct buffer *out = buffer_new(L);
  wire_query(L, 1, out);
  return push_buffer(L, out);
}

static void quote(lua_State *L, struct buffer *out, const char *value, size_t length) {
  buffer_add(L, out, "'", 1);
  for (size_t i = 0; i < length; i++) {
    if (value[i] == '\'') buffer_add(L, out, "'", 1);
    buffer_add(L, out, value + i, 1);
  }
  buffer_add(L, out, "'", 1);
}

/* graph.literal(value) -> string */
static int graph_literal(lua_State *L) {
  size_t length;
  int type = lua_type(L, 1);
  luaL_argexpected(L, type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN, 1,
                   "string, number or boolean");
  const char *value = luaL_tolstring(L, 1, &length);
  if (type != LUA_TSTRING) return 1;
  struct buffer *out = buffer_new(L);
  quote(L, out, value, length);
  return push_buffer(L, out);
}

static const luaL_Reg functions[] = {
    {"changes", graph_changes}, {"judge", graph_judge},     {"judge_batch", graph_judge_batch},
    {"literal", graph_literal}, {"next", graph_next},       {"query", graph_query},
    {"request", graph_request}, {"segment", graph_segment}, {NULL, NULL},
};

int luaopen_host_graph(lua_State *L);
int luaopen_host_graph(lua_State *L) {
  request_types(L);
  luaL_newlib(L, functions);
  return 1;
}
