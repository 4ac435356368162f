/* host.gate: the one door to the network. Every request passes here, in this
 * order: may it (gate_rules.c), on record, credential, sent, outcome on record.
 * Ownership: a door owns its rules and its HTTP client, and anchors its journal and its unfinished
 * transfers (user value 1: a table, "journal" and light userdata -> transfer). A transfer keeps its
 * door alive (user value 1) until it is done, then its answer. */
#include "gate_internal.h"

#include "hex.h"
#include "journal.h"
#include "sys.h"

#include <math.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int luaopen_host_gate(lua_State *L);

#define DOOR "host.gate.door"
#define TRANSFER "host.gate.transfer"
#define STREAMS 100L
#define MAX_TIMEOUT 3600.0

enum state { QUEUED, RUNNING, DONE, CLOSED };

/* A transfer as Lua sees it. */
struct entry {
  struct transfer *http;
  struct entry *next; /* in the door's queue */
  enum state state;
  int changes;      /* it is on record and its outcome has to be, too */
  const char *kind; /* of failure; NULL for an answer */
  int maybe_sent;
  char id[17];   /* ties outcome to request on record */
  char *message; /* of failure; NULL when memory is out for it */
};

struct door {
  struct rules rules;
  struct http *http; /* opened when first needed */
  struct entry *queue;
  struct entry **tail; /* where the next one is queued */
  lua_Integer count;   /* queued or in flight */
  int open;
  int emulator;
  struct journal *journal; /* anchored; NULL for none */
  struct budget *budget;   /* of changes at Graph; its clock is anchored. NULL: no limit */
  int unsaved;             /* something was recorded since the last commit */
};

/* It is done and brought no answer. */
static void fail(struct entry *entry, const char *kind, const char *format, const char *why) {
  entry->state = DONE;
  entry->kind = kind;
  free(entry->message);
  if (asprintf(&entry->message, format, why) < 0) entry->message = NULL;
}

static struct door *check_door(lua_State *L) {
  struct door *door = lib_check(L, 1, DOOR);
  luaL_argcheck(L, door->open, 1, "door is closed");
  return door;
}

/* ---- the queue and the anchors ---- */

static void enqueue(struct door *door, struct entry *entry) {
  *door->tail = entry;
  door->tail = &entry->next;
}

static void unqueue(struct door *door, struct entry *entry) {
  struct entry **at = &door->queue;
  while (*at && *at != entry) at = &(*at)->next;
  if (!*at) return;
  *at = entry->next;
  entry->next = NULL;
  if (!*at) door->tail = at;
}

/* Keep the transfer at index alive while it is unfinished. [-0, +0, m] */
static void anchor(lua_State *L, int index, struct door *door, const struct entry *entry) {
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, index);
  lua_rawsetp(L, -2, entry);
  lua_pop(L, 1);
  door->count++;
}

/* Let go of it; the door is at index. [-0, +0, -] */
static void release(lua_State *L, int index, struct door *door, const struct entry *entry) {
  lua_getiuservalue(L, index, 1);
  lua_pushnil(L);
  lua_rawsetp(L, -2, entry);
  lua_pop(L, 1);
  door->count--;
}

/* ---- the journal ---- */

/* Append the record on top of the stack. NULL, or why not. [-1, +0, -] */
static const char *put_on_record(lua_State *L, struct door *door, const char *kind) {
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  const char *failure = journal_audit(door->journal, kind, text, length);
  lua_pop(L, 1);
  door->unsaved = 1;
  return failure;
}

/* Step 6. An outcome that cannot be recorded does not take the answer away from
 * the caller: the journal has failed then, and lets nothing further change. */
static void record_outcome(lua_State *L, struct door *door, const struct entry *entry, const struct answer *answer) {
  if (!entry->changes || !door->journal) return;
  if (answer)
    gate_record_answer(L, entry->id, answer);
  else
    gate_record_failure(L, entry->id, entry->kind, entry->maybe_sent);
  put_on_record(L, door, "outcome");
  sys_change_sent(-1);
}

/* ---- submit ---- */

static void make_id(lua_State *L, struct entry *entry) {
  unsigned char bytes[8];
  if (RAND_bytes(bytes, sizeof bytes) != 1) luaL_error(L, "no random bytes to be had");
  hex_text(bytes, sizeof bytes, entry->id);
}

/* Step 3: what changes something is on record before it may leave. NULL, or why not. */
static const char *record_intent(lua_State *L, struct door *door, struct entry *entry, const struct request *request,
                                 const char *note) {
  if (!request->changes) return NULL;
  if (!door->journal) return "this door was opened without a journal";
  make_id(L, entry);
  gate_record_request(L, entry->id, request, note);
  const char *failure = put_on_record(L, door, "request");
  entry->changes = !failure;
  sys_change_sent(entry->changes);
  return failure;
}

static enum http_reach reach_of(const struct door *door, const struct peer *peer) {
  if (door->emulator) return HTTP_LOOPBACK;
  return strcmp(peer->name, "identity") == 0 ? HTTP_NEAR : HTTP_OUTSIDE;
}

/* Step 4: the credential is attached to the copy that leaves. */
static struct transfer *prepare(struct door *door, struct entry *entry, const struct request *request,
                                const struct credential *credential, double timeout) {
  const struct peer *peer = gate_rules_peer(&door->rules, request->peer);
  struct http_peer route = {peer->ca, peer->proxy, reach_of(door, peer), peer->lenient};
  if (!door->http) door->http = http_open(STREAMS);
  if (!door->http) return NULL;
  return http_prepare(door->http, request, credential, &route, (long)ceil(timeout * 1000), entry);
}

/* Step 2: seconds until the write budget lets it leave. */
static double budget_left(struct door *door, struct request *request) {
  int counts = door->budget && request->changes && strcmp(request->peer, "graph") == 0;
  return counts ? gate_budget_wait(door->budget, request) : 0;
}

static int refuse_early(lua_State *L, const struct request *request, double wait) {
  lib_fail_kind(L, "budget", "%s %s has to wait for the write budget", request->method, request->origin);
  lua_pushnumber(L, wait);
  return 4;
}

/* door:submit(request, credential, timeout, note) -> transfer | nil, message, kind */
static int door_submit(lua_State *L) {
  char message[1024];
  struct door *door = lib_check(L, 1, DOOR);
  struct request *request = request_check(L, 2);
  const struct credential *credential = lua_isnoneornil(L, 3) ? NULL : credential_check(L, 3);
  double timeout = luaL_checknumber(L, 4);
  const char *note = lib_opttext(L, 5);
  luaL_argcheck(L, timeout > 0 && timeout <= MAX_TIMEOUT, 4, "timeout must lie between 0 and 3600 seconds");
  lua_settop(L, 5);
  if (!door->open) return lib_fail_kind(L, "closed", "%s %s: the door is closed", request->method, request->origin);

  const char *kind = gate_rules_refuse(&door->rules, request, credential, message, sizeof message);
  if (kind) return lib_fail_kind(L, kind, "%s", message);
  double wait = budget_left(door, request);
  if (wait > 0) return refuse_early(L, request, wait);
  struct entry *entry = lib_new(L, sizeof *entry, TRANSFER);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 6, 1);
  const char *failure = record_intent(L, door, entry, request, note);
  if (failure)
    return lib_fail_kind(L, "journal", "%s %s was not sent, because it could not be put on record: %s", request->method,
                         request->origin, failure);
  entry->http = prepare(door, entry, request, credential, timeout);
  if (!entry->http) {
    fail(entry, "memory", "it was not sent: %s", "not enough memory");
    record_outcome(L, door, entry, NULL);
    return lib_fail_kind(L, "memory", "%s %s was not sent: not enough memory", request->method, request->origin);
  }
  anchor(L, 6, door, entry);
  enqueue(door, entry);
  return 1;
}

/* ---- flush and poll ---- */

/* Make what is on record durable. NULL, or why not. */
static const char *commit(struct door *door) {
  if (!door->journal || (!door->queue && !door->unsaved)) return NULL;
  const char *failure = journal_commit(door->journal);
  door->unsaved = failure != NULL;
  return failure;
}

/* Step 5. 1 when it left; else it stays in the queue, done, for poll to report. */
static int start(struct entry *entry, const char *failure) {
  if (entry->state != QUEUED) return 0;
  if (failure && entry->changes)
    fail(entry, "journal", "it was not sent, because the journal could not be written: %s", failure);
  else if (!http_begin(entry->http))
    fail(entry, "memory", "it was not sent: %s", "not enough memory");
  else
    entry->state = RUNNING;
  return entry->state == RUNNING;
}

static lua_Integer flush(struct door *door) {
  lua_Integer started = 0;
  const char *failure = commit(door);
  for (struct entry *entry = door->queue, *next; entry; entry = next) {
    next = entry->next;
    if (!start(entry, failure)) continue;
    unqueue(door, entry);
    started++;
  }
  return started;
}

/* door:flush() -> count */
static int door_flush(lua_State *L) {
  lua_pushinteger(L, flush(check_door(L)));
  return 1;
}

/* Keep what the transfer brought as the value of the userdata on top. [-0, +0, m] */
static void take(lua_State *L, struct door *door, struct entry *entry) {
  const char *message;
  const char *kind = http_transfer_failure(entry->http, &message, &entry->maybe_sent);
  struct answer *answer = answer_new(L, 0);
  if (!kind) http_transfer_take(entry->http, answer);
  if (kind) fail(entry, kind, "%s", message);
  entry->state = DONE;
  record_outcome(L, door, entry, kind ? NULL : answer);
  lua_setiuservalue(L, -2, 1);
}

/* Append a finished transfer to the list at index 3. [-0, +0, m] */
static void report(lua_State *L, struct door *door, struct entry *entry) {
  lua_getiuservalue(L, 1, 1);
  lua_rawgetp(L, -1, entry);
  release(L, 1, door, entry);
  if (entry->state == RUNNING)
    take(L, door, entry);
  else
    record_outcome(L, door, entry, NULL);
  lua_rawseti(L, 3, luaL_len(L, 3) + 1);
  lua_pop(L, 1);
}

/* Those flush could not send. [-0, +0, m] */
static void report_unsent(lua_State *L, struct door *door) {
  for (struct entry *entry = door->queue, *next; entry; entry = next) {
    next = entry->next;
    if (entry->state != DONE) continue;
    unqueue(door, entry);
    report(L, door, entry);
  }
}

/* door:poll(ms) -> list of finished transfers */
static int door_poll(lua_State *L) {
  struct door *door = check_door(L);
  int ms = (int)luaL_checkinteger(L, 2);
  lua_settop(L, 2);
  lua_newtable(L);
  flush(door);
  report_unsent(L, door);
  if (luaL_len(L, 3) > 0) ms = 0;
  if (!door->http) {
    poll(NULL, 0, ms < 0 ? 0 : ms); /* nothing was ever sent: just the wait */
    return 1;
  }
  for (struct transfer *done = http_poll(door->http, ms); done; done = http_next(door->http))
    report(L, door, http_transfer_tag(done));
  if (!door->count) commit(door); /* nothing may follow for long: let go of the journal's lock */
  return 1;
}

/* ---- transfers ---- */

static struct entry *check_transfer(lua_State *L) {
  struct entry *entry = lib_check(L, 1, TRANSFER);
  luaL_argcheck(L, entry->state != CLOSED, 1, "transfer is closed");
  return entry;
}

/* transfer:answer() -> answer | nil, message, kind, maybe_sent */
static int entry_answer(lua_State *L) {
  const struct entry *entry = check_transfer(L);
  luaL_argcheck(L, entry->state == DONE, 1, "transfer is not finished");
  if (!entry->kind) {
    lua_getiuservalue(L, 1, 1);
    return 1;
  }
  lib_fail_kind(L, entry->kind, "%s", entry->message ? entry->message : "not enough memory");
  lua_pushboolean(L, entry->maybe_sent);
  return 4;
}

/* Stop a transfer that is not done: nobody will learn its outcome. The door is
 * at index. [-0, +0, m] */
static void abandon(lua_State *L, int index, struct door *door, struct entry *entry) {
  entry->maybe_sent = entry->state == RUNNING;
  fail(entry, "closed", "%s", "it was abandoned before its answer came");
  record_outcome(L, door, entry, NULL);
  unqueue(door, entry);
  release(L, index, door, entry);
}

/* transfer:close(), __close and __gc. Idempotent. */
static int entry_close(lua_State *L) {
  struct entry *entry = lib_check(L, 1, TRANSFER);
  if (entry->state == CLOSED) return 0;
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  struct door *door = luaL_testudata(L, 2, DOOR);
  if (door && door->open && (entry->state == QUEUED || entry->state == RUNNING)) abandon(L, 2, door, entry);
  http_transfer_close(entry->http);
  free(entry->message);
  entry->http = NULL;
  entry->message = NULL;
  entry->state = CLOSED;
  lua_pushnil(L);
  lua_setiuservalue(L, 1, 1);
  return 0;
}

/* ---- doors ---- */

/* The request's path as the base of a peer, without slashes at its end; pushed. [-0, +1, e] */
static const char *push_base(lua_State *L, const struct request *request) {
  char *path = NULL;
  if (curl_url_get(request->target->parsed, CURLUPART_PATH, &path, 0) != CURLUE_OK) lib_no_memory(L);
  size_t length = strlen(path);
  while (length && path[length - 1] == '/') length--;
  const char *base = lua_pushlstring(L, path, length);
  curl_free(path);
  return base;
}

/* door:peer(name, base, ca, proxy, lenient) -> true | nil, message */
static int door_peer(lua_State *L) {
  struct door *door = check_door(L);
  const char *name = lib_checktext(L, 2);
  const char *url = lib_checktext(L, 3);
  const char *ca = lib_opttext(L, 4);
  const char *proxy = lib_opttext(L, 5);
  int lenient = lua_toboolean(L, 6);
  if (!request_origin_of(L, name, url)) return 2;
  const char *why = gate_rules_refuse_peer(name, lua_tostring(L, -1), proxy, door->emulator);
  if (!why && strchr(url, '?')) why = "it has a query";
  if (why) return lib_fail(L, "%s cannot be at %s: %s", name, url, why);
  const struct request *base = request_new(L, name, "GET", url);
  struct peer peer = {(char *)name, base->origin, (char *)push_base(L, base), (char *)ca, (char *)proxy, lenient};
  if (!gate_rules_add_peer(&door->rules, &peer)) return lib_no_memory(L);
  lua_pushboolean(L, 1);
  return 1;
}

/* door:allow(peer, method, template, members) */
static int door_allow(lua_State *L) {
  struct door *door = check_door(L);
  const char *peer = lib_checktext(L, 2);
  const char *method = lib_checktext(L, 3);
  const char *path = lib_checktext(L, 4);
  const char *members = lib_opttext(L, 5);
  luaL_argcheck(L, *path == '/', 4, "a call's path begins with /");
  luaL_argcheck(L, !members || !strpbrk(members, " \t"), 5, "members are separated by commas only");
  struct rule rule = {(char *)peer, (char *)method, (char *)path, (char *)members};
  if (!gate_rules_add(&door->rules, &rule)) return lib_no_memory(L);
  return 0;
}

/* door:mode(mode) */
static int door_mode(lua_State *L) {
  static const char *const modes[] = {"declared", "read", "write", NULL}; /* as in enum gate_mode */
  struct door *door = check_door(L);
  door->rules.mode = (enum gate_mode)luaL_checkoption(L, 2, NULL, modes);
  return 0;
}

/* door:budget(path, count, seconds, clock) -> true | nil, message */
static int door_budget(lua_State *L) {
  struct door *door = check_door(L);
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
  const struct door *door = check_door(L);
  if (!door->budget) return 0;
  lua_pushnumber(L, gate_budget_rate(door->budget));
  lua_pushnumber(L, gate_budget_ahead(door->budget));
  return 2;
}

/* door:running() -> count */
static int door_running(lua_State *L) {
  lua_pushinteger(L, check_door(L)->count);
  return 1;
}

/* Abandon every unfinished transfer; they are the light userdata keys of the
 * table at index 2. [-0, +0, m] */
static void abandon_all(lua_State *L, struct door *door) {
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    struct entry *entry = lua_touserdata(L, -1);
    int unfinished = lua_islightuserdata(L, -2) && entry->state != CLOSED;
    lua_pop(L, 1);
    if (unfinished) abandon(L, 1, door, entry);
  }
}

/* door:close(), __close and __gc. Idempotent. */
static int door_close(lua_State *L) {
  struct door *door = lib_check(L, 1, DOOR);
  if (!door->open) return 0;
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  abandon_all(L, door);
  commit(door);
  door->open = 0;
  http_close(door->http);
  gate_rules_free(&door->rules);
  gate_budget_close(door->budget);
  door->budget = NULL;
  door->http = NULL;
  door->journal = NULL;
  lua_pushnil(L);
  lua_setiuservalue(L, 1, 1);
  return 0;
}

/* gate.door(kind, journal) -> door */
static int gate_door(lua_State *L) {
  static const char *const kinds[] = {"real", "emulator", NULL};
  int emulator = luaL_checkoption(L, 1, NULL, kinds);
  struct journal *journal = lua_isnoneornil(L, 2) ? NULL : journal_check(L, 2);
  lua_settop(L, 2);
  struct door *door = lib_new(L, sizeof *door, DOOR);
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

int luaopen_host_gate(lua_State *L) {
  static const luaL_Reg door[] = {{"peer", door_peer},     {"allow", door_allow}, {"mode", door_mode},
                                  {"budget", door_budget}, {"pace", door_pace},   {"submit", door_submit},
                                  {"flush", door_flush},   {"poll", door_poll},   {"running", door_running},
                                  {"close", door_close},   {NULL, NULL}};
  static const luaL_Reg transfer[] = {{"answer", entry_answer}, {"close", entry_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"door", gate_door}, {"answer", answer_make}, {NULL, NULL}};
  request_types(L);
  lib_type(L, DOOR, door, door_close);
  lib_type(L, TRANSFER, transfer, entry_close);
  luaL_newlib(L, functions);
  return 1;
}
