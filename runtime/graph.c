/* host.graph: build requests to Microsoft Graph. graph_judge.c judges the answers.
 *
 * A request lists the calls that it makes (a $batch makes several), whether it changes something, and whether it may
 * be sent twice. Nothing here knows about tokens, waiting or retrying.
 */
#include "graph_internal.h"

#include "hex.h"
#include "json.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define BETA "/beta/" /* the start of the path of a call that only Graph's beta version has */
#define BATCH_MOST 20 /* learn.microsoft.com: "Combine multiple HTTP requests using JSON batching" */

#define ID_BYTES 18  /* more than the 16 of a UUID */
#define DRAWN_IDS 14 /* ids drawn at once: 252 bytes, because up to 256 no signal interrupts getrandom */

static const char random_ids_key;

/* Random bytes for the request ids that come next. */
struct random_ids {
  size_t used;
  unsigned char bytes[DRAWN_IDS][ID_BYTES];
};

/* ---- effects of a call ---- */

static int is_listed_text(const char *text, size_t length, const char *const *list) {
  for (; *list; list++)
    if (strlen(*list) == length && memcmp(*list, text, length) == 0) return 1;
  return 0;
}

/* Does a POST to this path only read? The last segment decides; no object that can be created has one of these
 * names. */
static int is_graph_reading_action(const char *path) {
  static const char *const reading_actions[] = {
      "checkMemberGroups", "checkMemberObjects", "getAvailableExtensionProperties",
      "getByIds",          "getMemberGroups",    "getMemberObjects",
      "validatePassword",  "validateProperties", NULL};
  const char *last = strrchr(path, '/') + 1;
  return is_listed_text(last, strlen(last), reading_actions);
}

static int is_graph_read(const char *method, const char *path) {
  return strcmp(method, "GET") == 0 || (strcmp(method, "POST") == 0 && is_graph_reading_action(path));
}

/* May the call be sent twice? Only a POST makes a new object each time; PATCH, PUT and DELETE describe the result. */
static int is_repeatable_graph_call(const char *method, const char *path) {
  return strcmp(method, "POST") != 0 || is_graph_reading_action(path);
}

static void add_graph_call(lua_State *L, struct request *request, const char *method, const char *path,
                           const char *members) {
  request_add_call(L, request, method, path, members);
  request->calls[request->call_count - 1].changes = !is_graph_read(method, path);
  request->changes |= !is_graph_read(method, path);
  request->repeatable &= is_repeatable_graph_call(method, path);
}

/* ---- arguments ---- */

static const char *check_graph_method(lua_State *L, int index) {
  static const char *const methods[] = {"GET", "POST", "PATCH", "PUT", "DELETE", NULL};
  return methods[luaL_checkoption(L, index, NULL, methods)];
}

static const char *check_graph_path(lua_State *L, int index) {
  size_t length;
  const char *path = luaL_checklstring(L, index, &length);
  const char *problem = wire_path_problem(path, length);
  if (problem) luaL_argerror(L, index, lua_pushfstring(L, "the path cannot be sent: %s in '%s'", problem, path));
  return path;
}

static const char *const allowed_headers[] = {"ConsistencyLevel", "Prefer",
                                              NULL}; /* the headers that scripts may set */

/* Set the headers from the table at index; raise an error for any other header than the allowed ones. */
static void set_script_headers(lua_State *L, struct request *request, int index) {
  if (lua_isnoneornil(L, index)) return;
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    if (!is_listed_text(name, strlen(name), allowed_headers)) luaL_error(L, "header '%s' cannot be set here", name);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "header '%s' is not a string", name);
    request_add_header(L, request, name, lib_checktext(L, -1));
    lua_pop(L, 1);
  }
}

/* Return the random bytes of the next request id. Bytes are drawn for several ids at once: one system call takes a
 * hundredth of the time of a small request. [-0, +0, e] */
static const unsigned char *next_graph_request_id(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &random_ids_key) == LUA_TNIL) {
    lua_pop(L, 1);
    struct random_ids *fresh = lua_newuserdatauv(L, sizeof *fresh, 0);
    fresh->used = DRAWN_IDS;
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &random_ids_key);
  }
  struct random_ids *ids = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (ids->used == DRAWN_IDS) {
    if (getrandom(ids->bytes, sizeof ids->bytes, 0) != sizeof ids->bytes)
      luaL_error(L, "cannot draw a request id: the system's random source failed");
    ids->used = 0;
  }
  return ids->bytes[ids->used++];
}

/* Set client-request-id to a random UUID, by which Microsoft's logs show the call even when its answer is lost. It is
 * not a secret, so getrandom is enough, which takes a fraction of the time of OpenSSL's generator. */
static void set_client_request_id(lua_State *L, struct request *request) {
  char text[37];
  hex_uuid(next_graph_request_id(L), text);
  request_add_header(L, request, "client-request-id", text);
  request_add_header(L, request, "return-client-request-id", "true");
}

static struct request *new_graph_request(lua_State *L, const char *method, const char *url, int headers) {
  struct request *request = request_new(L, "graph", method, url);
  request_add_header(L, request, "Accept", "application/json");
  set_client_request_id(L, request);
  set_script_headers(L, request, headers);
  request->changes = 0;
  request->repeatable = 1;
  return request;
}

/* ---- $batch ---- */

/* Push and return the string member of the inner request on top of the stack; raise an error when there is none. [-0,
 * +1, e] */
static const char *push_batch_request_string(lua_State *L, const char *name, lua_Integer i) {
  const char *text = wire_push_string(L, -1, name);
  if (!text) luaL_error(L, "request %d of the batch has no %s", (int)i, name);
  return text;
}

/* Raise an error when the table on top of the stack has a member that is not listed in this spelling. A server that
 * treats "URL" as "url" would carry out another call than the one that is checked. [-0, +0, e] */
static void check_batch_members(lua_State *L, const char *subject, const char *const *members) {
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    if (!is_listed_text(name, strlen(name), members)) luaL_error(L, "%s: it has no member '%s'", subject, name);
  }
}

/* Raise an error when the header whose name and value are on top of the stack may not be in an inner request.
 * X-HTTP-Method-Override could make another call of the request, and Authorization could make another caller of us. */
static void check_batch_request_header(lua_State *L, const char *subject) {
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
  const char *value = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  int is_json = value && strcmp(name, "Content-Type") == 0 && strcmp(value, "application/json") == 0;
  if (!is_json && !is_listed_text(name, strlen(name), allowed_headers))
    luaL_error(L, "%s: header '%s' cannot be set", subject, name);
  if (!value || !request_is_header_text(value, lua_rawlen(L, -1)))
    luaL_error(L, "%s: the value of header '%s' cannot be sent", subject, name);
}

/* Raise an error when the inner request on top of the stack has an unknown member or a forbidden header. [-0, +0, e] */
static void check_batch_request(lua_State *L, lua_Integer i) {
  static const char *const members[] = {"id", "method", "url", "headers", "body", "dependsOn", NULL};
  int inner = lua_gettop(L);
  const char *subject = lua_pushfstring(L, "request %d of the batch", (int)i);
  if (!lua_istable(L, inner)) luaL_error(L, "%s is not a table", subject);
  lua_pushvalue(L, inner);
  check_batch_members(L, subject, members);
  int type = lua_getfield(L, inner, "headers");
  if (type != LUA_TNIL && type != LUA_TTABLE) luaL_error(L, "%s: its headers are not a table", subject);
  if (type == LUA_TTABLE)
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) check_batch_request_header(L, subject);
  lua_settop(L, inner);
}

/* Add the call of the inner request on top of the stack to the calls of the $batch: it needs the same permission as
 * when it is sent alone. [-0, +0, e] */
static void add_batch_request_call(lua_State *L, struct request *request, lua_Integer i) {
  int inner = lua_gettop(L);
  check_batch_request(L, i);
  static const char *const methods[] = {"GET", "POST", "PATCH", "PUT", "DELETE", NULL};
  const char *method = push_batch_request_string(L, "method", i);
  if (!is_listed_text(method, strlen(method), methods))
    luaL_error(L, "request %d of the batch: unknown method '%s'", (int)i, method);
  lua_pushvalue(L, inner);
  const char *url = push_batch_request_string(L, "url", i);
  lua_pushlstring(L, url, strcspn(url, "?"));
  const char *path = lua_tostring(L, -1);
  const char *problem = wire_path_problem(path, strlen(path));
  if (!problem && strstr(path, "$batch")) problem = "a batch inside a batch";
  if (problem) luaL_error(L, "request %d of the batch: %s in '%s'", (int)i, problem, path);
  lua_getfield(L, inner, "body");
  wire_push_members(L, -1);
  add_graph_call(L, request, method, path, lua_tostring(L, -1));
  lua_settop(L, inner);
}

static void add_batch_calls(lua_State *L, struct request *request, int body) {
  static const char *const members[] = {"requests", NULL};
  if (!lua_istable(L, body) || lua_getfield(L, body, "requests") != LUA_TTABLE)
    luaL_error(L, "a batch needs a body with a list of requests");
  lua_pushvalue(L, body);
  check_batch_members(L, "a batch", members);
  lua_pop(L, 1);
  lua_Integer count = luaL_len(L, -1);
  if (count < 1 || count > BATCH_MOST)
    luaL_error(L, "a batch carries 1 to %d requests, not %d", BATCH_MOST, (int)count);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_geti(L, -1, i);
    add_batch_request_call(L, request, i);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* ---- functions of host.graph ---- */

static void add_graph_request_calls(lua_State *L, struct request *request, const char *method, const char *path,
                                    int body) {
  if (strcmp(path, "/$batch") == 0) {
    request->is_batch = 1;
    add_batch_calls(L, request, body);
    return;
  }
  wire_push_members(L, body);
  add_graph_call(L, request, method, path, lua_tostring(L, -1));
  lua_pop(L, 1);
}

/* Return the length of base, or of the part before its version for a path of the beta version: calls that only beta has
 * are named "/beta/…", beside the version that the base ends with. */
static size_t graph_base_length(const char *base, const char *path) {
  static const char version[] = "/v1.0";
  size_t length = strlen(base), end = sizeof version - 1;
  int is_beta = strncmp(path, BETA, sizeof BETA - 1) == 0 && length >= end && strcmp(base + length - end, version) == 0;
  return is_beta ? length - end : length;
}

/* graph.request(base, method, path, query?, body?, headers?) -> request */
static int graph_request(lua_State *L) {
  const char *base = lib_checktext(L, 1);
  const char *method = check_graph_method(L, 2);
  const char *path = check_graph_path(L, 3);
  if (!lua_isnoneornil(L, 4)) luaL_checktype(L, 4, LUA_TTABLE);
  if (!lua_isnoneornil(L, 5)) luaL_checktype(L, 5, LUA_TTABLE);
  lua_settop(L, 6);
  struct buffer *url = buffer_borrow(L);
  buffer_add(L, url, base, graph_base_length(base, path));
  buffer_add(L, url, path, strlen(path));
  wire_append_query(L, 4, url);
  buffer_add(L, url, "", 1);
  struct request *request = new_graph_request(L, method, url->data, 6);
  buffer_give_back(L, 7);
  add_graph_request_calls(L, request, method, path, 5);
  if (!lua_isnil(L, 5)) request_set_json_body(L, lua_gettop(L), 5, NULL);
  return 1;
}

/* Push the link's path below base and return 1; or push why the link is refused and return 0. The link of a beta call's
 * page leads to the beta version, any other link to the base's. [-0, +1, m] */
static int push_next_page_path(lua_State *L, const char *base, const char *link, const char *first) {
  const char *base_path = wire_path_of(base), *path = wire_path_of(link);
  size_t prefix = graph_base_length(base_path, first), length = strcspn(path, "?#");
  const char *problem = NULL;
  if (strchr(link, '#') || strchr(link, '\\'))
    problem = "it has a character that no link of Graph has";
  else if (length <= prefix || strncmp(path, base_path, prefix) != 0 ||
           (prefix < strlen(base_path) && strncmp(path + prefix, BETA, sizeof BETA - 1) != 0))
    problem = "its path is not below the address of Graph";
  else
    problem = wire_path_problem(path + prefix, length - prefix);
  if (problem)
    lua_pushfstring(L, "the next page's link is refused: %s", problem);
  else
    lua_pushlstring(L, path + prefix, length - prefix);
  return !problem;
}

/* Do both URLs have the same origin? Pushes texts. [-0, +n, m] */
static int link_has_base_origin(lua_State *L, const char *base, const char *link) {
  if (!request_url_push_origin(L, base)) return luaL_argerror(L, 1, lua_tostring(L, -1));
  const char *origin = lua_tostring(L, -1);
  return request_url_push_origin(L, link) && strcmp(lua_tostring(L, -1), origin) == 0;
}

/* graph.next(base, link, headers?, path of the first page?) -> request | nil, message */
static int graph_next(lua_State *L) {
  size_t length;
  const char *base = lib_checktext(L, 1);
  const char *link = luaL_checklstring(L, 2, &length);
  const char *first = luaL_optstring(L, 4, "");
  lua_settop(L, 4);
  if (!wire_is_visible(link, length)) return lib_fail(L, "the next page's link is refused: it is not a URL");
  if (!link_has_base_origin(L, base, link))
    return lib_fail(L, "the next page's link is refused: its host is not the host of Graph");
  if (!push_next_page_path(L, base, link, first)) return lib_fail(L, "%s", lua_tostring(L, -1));
  const char *path = lua_tostring(L, -1);
  struct request *request = new_graph_request(L, "GET", link, 3);
  request_add_call(L, request, "GET", path, NULL);
  return 1;
}

/* Push the content of the buffer as a string. [-0, +1, m] */
static int push_graph_text(lua_State *L, struct buffer *buffer) {
  lua_pushlstring(L, buffer->data ? buffer->data : "", buffer->length);
  return 1;
}

/* graph.changes(method, path) -> boolean */
static int graph_changes(lua_State *L) {
  const char *method = check_graph_method(L, 1);
  const char *path = lib_checktext(L, 2);
  luaL_argcheck(L, *path == '/', 2, "a call's path begins with /");
  lua_pushboolean(L, !is_graph_read(method, path));
  return 1;
}

/* graph.segment(value) -> string */
static int graph_segment(lua_State *L) {
  return wire_push_segment(L, "@");
}

/* graph.query(query) -> string */
static int graph_query(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  struct buffer *out = buffer_new(L);
  wire_append_query(L, 1, out);
  return push_graph_text(L, out);
}

/* Append the value as an OData string literal: in single quotes, a quote inside doubled. */
static void append_odata_literal(lua_State *L, struct buffer *out, const char *value, size_t length) {
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
  append_odata_literal(L, out, value, length);
  return push_graph_text(L, out);
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
