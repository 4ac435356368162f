/* host.gate.door: the peers, programs and folders that a session may reach, fixed by door:seal(); records for the
 * journal; closing.
 *
 * Ownership: a door owns its peers, the names of programs and folders, its budget and its HTTP client. User value 1
 * anchors its journal, its clock and its unfinished transfers (a table: "journal", "clock", and light userdata ->
 * transfer).
 */
#include "base64.h"
#include "gate_internal.h"
#include "hex.h"
#include "secret.h"

#include "journal.h"
#include "sys.h"
#include "wire.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define MAX_PROGRAM_WORDS 64 /* of a program: its path and first arguments */

struct door *gate_door_check(lua_State *L) {
  struct door *door = lib_check(L, 1, GATE_DOOR);
  luaL_argcheck(L, door->open, 1, "door is closed");
  return door;
}

struct door *gate_door_check_unsealed(lua_State *L) {
  struct door *door = gate_door_check(L);
  if (door->sealed) luaL_error(L, "the door is sealed: its peers, programs, folders and rights are final");
  return door;
}

/* ---- records ---- */

const char *gate_door_record(lua_State *L, struct door *door, const char *kind) {
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  const char *failure = journal_audit_record(door->journal, kind, text, length);
  lua_pop(L, 1);
  door->unsaved = 1;
  return failure;
}

const char *gate_door_commit(struct door *door) {
  if (!door->journal || (!door->queue && !door->unsaved)) return NULL;
  const char *failure = journal_audit_commit(door->journal);
  door->unsaved = failure != NULL;
  return failure;
}

void gate_door_new_record_id(lua_State *L, char id[17]) {
  unsigned char bytes[8];
  if (RAND_bytes(bytes, sizeof bytes) != 1)
    luaL_error(L, "cannot draw a record's id: the system's random source failed");
  hex_text(bytes, sizeof bytes, id);
}

/* ---- peers, programs, folders, budget ---- */

/* Push a buffer with the path of the request's URL without slashes at its end: the base of a peer. Returns the path.
 * [-0, +1, e] */
static const char *push_peer_base_path(lua_State *L, const struct request *request) {
  char *path = NULL;
  struct buffer *base = buffer_new(L);
  if (curl_url_get(request->target->parsed, CURLUPART_PATH, &path, 0) != CURLUE_OK) lib_no_memory(L);
  size_t length = strlen(path);
  while (length && path[length - 1] == '/') length--;
  int ok = buffer_append(base, path, length) && buffer_append(base, "", 1);
  explicit_bzero(path, strlen(path));
  curl_free(path);
  if (!ok) lib_no_memory(L);
  return base->data;
}

/* Add the peer whose settings are at the indexes 4 to 7, for the URL of the request on top of the stack. Pushes true;
 * or nil and a message, which names the address as `shown`. [-0, +1|+2, e] */
static int add_door_peer(lua_State *L, struct door *door, struct peer *peer, const char *shown) {
  const struct request *request = request_check(L, -1);
  peer->origin = request->origin;
  peer->ca = (char *)lib_opttext(L, 4);
  peer->proxy = (char *)lib_opttext(L, 5);
  peer->lenient = lua_toboolean(L, 6);
  peer->is_local = lua_toboolean(L, 7);
  const char *problem = gate_peer_problem(peer, door->emulator);
  if (!problem && !peer->is_secret && strchr(request->url, '?')) problem = "its address has a query";
  if (problem) return lib_fail(L, "%s cannot be at %s: %s", peer->name, shown, problem);
  peer->base = (char *)push_peer_base_path(L, request);
  if (!gate_peers_add(&door->peers, peer)) return lib_no_memory(L);
  lua_pushboolean(L, 1);
  return 1;
}

/* door:peer(name, base, ca, proxy, lenient, is_local) -> true | nil, message */
static int door_peer(lua_State *L) {
  struct door *door = gate_door_check_unsealed(L);
  struct peer peer = {.name = (char *)lib_checktext(L, 2)};
  const char *url = lib_checktext(L, 3);
  lua_settop(L, 7);
  if (!request_url_push_peer_origin(L, peer.name, url)) return 2;
  request_new(L, peer.name, "GET", url);
  return add_door_peer(L, door, &peer, url);
}

/* Let redaction mask the parts of a secret address that a server may repeat, as long as the door at index 1 exists:
 * path and query, the last segment of the path, the query. [-0, +0, e] */
static void hide_peer_address(lua_State *L, const char *name, const struct secret *address) {
  const char *path = wire_path_of(address->bytes), *query = strchr(path, '?');
  size_t path_length = query ? (size_t)(query - path) : strlen(path);
  const char *segment = memrchr(path, '/', path_length);
  size_t segment_length = segment ? path_length - (size_t)(segment - path) - 1 : 0;
  lua_getiuservalue(L, 1, 1);
  lua_pushfstring(L, "address of %s", name);
  lua_createtable(L, 3, 0);
  secret_new(L, SECRET_CREDENTIAL, path, strlen(path));
  lua_rawseti(L, -2, 1);
  if (segment_length) {
    secret_new(L, SECRET_CREDENTIAL, segment + 1, segment_length);
    lua_rawseti(L, -2, 2);
  }
  if (query && query[1]) {
    secret_new(L, SECRET_CREDENTIAL, query + 1, strlen(query + 1));
    lua_rawseti(L, -2, 3);
  }
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* door:secret_peer(name, address, ca, proxy, lenient, is_local) -> true | nil, message */
static int door_secret_peer(lua_State *L) {
  struct door *door = gate_door_check_unsealed(L);
  struct peer peer = {.name = (char *)lib_checktext(L, 2), .is_secret = 1};
  const struct secret *address = secret_check(L, 3);
  lua_settop(L, 7);
  if (strlen(address->bytes) != address->length || !request_url_push_peer_origin(L, peer.name, address->bytes))
    return lib_fail(L, "the secret address of %s is not a URL of the form https://HOST/PATH", peer.name);
  hide_peer_address(L, peer.name, address);
  const struct request *request = request_new(L, peer.name, "GET", address->bytes);
  return add_door_peer(L, door, &peer, request->origin);
}

/* door:proxy_login(user, password). The encoded pair is itself registered as a secret, so that logs mask it too. */
static int door_proxy_login(lua_State *L) {
  struct door *door = gate_door_check_unsealed(L);
  const char *user = lib_checktext(L, 2);
  const struct secret *password = secret_check(L, 3);
  luaL_argcheck(L, *user && !strchr(user, ':'), 2, "a name without ':' expected"); /* RFC 7617, 2 */
  lua_settop(L, 3);
  struct buffer *pair = buffer_new(L), *value = buffer_new(L);
  buffer_add(L, pair, user, strlen(user));
  buffer_add(L, pair, ":", 1);
  buffer_add(L, pair, password->bytes, password->length);
  if (!buffer_append_string(value, "Basic ") || !base64_append(value, pair->data, pair->length))
    return lib_no_memory(L);
  buffer_free(pair);
  lua_getiuservalue(L, 1, 1);
  door->proxy_authorization = secret_take(L, SECRET_CREDENTIAL, value);
  lua_setfield(L, -2, "proxy");
  return 0;
}

/* Return the name at index 2 for a new program or folder; raise an argument error when the name is invalid or used
 * already. */
static const char *check_new_door_name(lua_State *L, const struct named_list *names) {
  const char *name = lib_checktext(L, 2);
  luaL_argcheck(L, gate_named_is_valid(name), 2, "a name of letters, digits, '-' and '_' expected");
  luaL_argcheck(L, !gate_named_find(names, name), 2, "the name is used already");
  return name;
}

/* door:program(name, argv) */
static int door_program(lua_State *L) {
  struct door *door = gate_door_check_unsealed(L);
  const char *name = check_new_door_name(L, &door->programs);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_Integer count = luaL_len(L, 3);
  luaL_argcheck(L, count > 0 && count <= MAX_PROGRAM_WORDS, 3, "a list of 1 to 64 words expected");
  struct buffer *words = buffer_new(L);
  for (lua_Integer i = 1; i <= count; i++) {
    luaL_argcheck(L, lua_geti(L, 3, i) == LUA_TSTRING, 3, "a word is not a string");
    const char *word = lib_checktext(L, -1);
    luaL_argcheck(L, i > 1 || *word == '/', 3, "the program's absolute path expected first");
    buffer_add(L, words, word, strlen(word) + 1);
    lua_pop(L, 1);
  }
  struct named *program = gate_named_add(&door->programs, name);
  if (!program) return lib_no_memory(L);
  program->texts = *words;
  *words = (struct buffer){0};
  return 0;
}

/* door:folder(name, path): name a folder whose files scripts may be given. Returns nothing. */
static int door_folder(lua_State *L) {
  struct door *door = gate_door_check_unsealed(L);
  const char *name = check_new_door_name(L, &door->folders);
  const char *path = lib_checktext(L, 3);
  luaL_argcheck(L, *path == '/', 3, "an absolute path expected");
  struct named *folder = gate_named_add(&door->folders, name);
  if (!folder || !buffer_append(&folder->texts, path, strlen(path) + 1)) return lib_no_memory(L);
  return 0;
}

/* door:seal(). From then on peers, programs, folders, budget and rights are final; rights can still be narrowed.
 * Idempotent. */
static int door_seal(lua_State *L) {
  gate_door_check(L)->sealed = 1;
  return 0;
}

/* door:budget(path, count, seconds, clock) -> true | nil, message */
static int door_budget(lua_State *L) {
  struct door *door = gate_door_check_unsealed(L);
  const char *path = luaL_checkstring(L, 2);
  double count = luaL_checknumber(L, 3), seconds = luaL_checknumber(L, 4);
  const struct clock *clock = lua_isnoneornil(L, 5) ? NULL : sys_clock_check(L, 5);
  luaL_argcheck(L, count >= 1 && count <= 1e6, 3, "1 to a million changes");
  luaL_argcheck(L, seconds > 0 && seconds / count <= 60, 4, "a minute a change at most");
  luaL_argcheck(L, !door->budget, 1, "door has a budget already");
  lua_settop(L, 5);
  door->budget = gate_budget_open(L, path, count, seconds, clock);
  if (!door->budget) return lua_gettop(L) - 5;
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 5);
  lua_setfield(L, -2, "clock");
  lua_pushboolean(L, 1);
  return 1;
}

/* door:pace() -> rate, ahead | nothing */
static int door_pace(lua_State *L) {
  const struct door *door = gate_door_check(L);
  if (!door->budget) return 0;
  lua_pushnumber(L, gate_budget_rate(door->budget));
  lua_pushnumber(L, gate_budget_backlog(door->budget));
  return 2;
}

/* ---- closing ---- */

/* door:close(), __close and __gc. Idempotent. */
static int door_close(lua_State *L) {
  struct door *door = lib_check(L, 1, GATE_DOOR);
  if (!door->open) return 0;
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  gate_transfer_abandon_all(L, door);
  gate_door_commit(door);
  door->open = 0;
  http_close(door->http);
  gate_peers_free(&door->peers);
  gate_named_free(&door->programs);
  gate_named_free(&door->folders);
  gate_budget_close(door->budget);
  door->proxy_authorization = NULL;
  door->budget = NULL;
  door->http = NULL;
  door->journal = NULL;
  lua_pushnil(L);
  lua_setiuservalue(L, 1, 1);
  return 0;
}

/* gate.door(kind, journal) -> door */
int gate_door(lua_State *L) {
  static const char *const kinds[] = {"real", "emulator", NULL};
  int emulator = luaL_checkoption(L, 1, NULL, kinds);
  struct journal *journal = lua_isnoneornil(L, 2) ? NULL : journal_check(L, 2);
  lua_settop(L, 2);
  struct door *door = lib_new(L, sizeof *door, GATE_DOOR);
  lua_newtable(L);
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "journal");
  lua_setiuservalue(L, 3, 1);
  door->emulator = emulator;
  door->journal = journal;
  door->tail = &door->queue;
  door->open = 1;
  return 1;
}

void gate_door_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"peer", door_peer},
                                     {"secret_peer", door_secret_peer},
                                     {"proxy_login", door_proxy_login},
                                     {"program", door_program},
                                     {"folder", door_folder},
                                     {"rights", gate_rights_new},
                                     {"budget", door_budget},
                                     {"seal", door_seal},
                                     {"pace", door_pace},
                                     {"submit", gate_transfer_submit},
                                     {"flush", gate_transfer_flush},
                                     {"poll", gate_transfer_poll},
                                     {"running", gate_transfer_count},
                                     {"run", gate_run_start},
                                     {"ran", gate_run_record_end},
                                     {"write", gate_folder_write},
                                     {"read", gate_folder_read},
                                     {"list", gate_folder_list},
                                     {"close", door_close},
                                     {NULL, NULL}};
  lib_type(L, GATE_DOOR, methods, door_close);
}
