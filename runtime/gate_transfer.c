/* A request's way through the gate: allowed (gate_rules.c), budget, on record, credential, sent, outcome on
 * record.
 *
 * Ownership: a passage (a transfer as Lua has it) keeps its door alive (user value 1) until it is done, then
 * its answer. The door anchors unfinished passages in its table (user value 1: light userdata -> transfer).
 */
#include "gate_internal.h"
#include "sys.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS 100L
#define MAX_TIMEOUT 3600.0

enum state { QUEUED, RUNNING, DONE, CLOSED };

/* A transfer as Lua sees it. */
struct passage {
  struct transfer *http;
  struct passage *next; /* in the door's queue */
  enum state state;
  int changes;      /* it is on record, and its outcome must be recorded */
  const char *kind; /* of failure; NULL for an answer */
  int maybe_sent;
  char id[17];   /* connects the records of request and outcome */
  char *message; /* of failure; NULL when memory is out for it */
};

/* End the passage without an answer. */
static void fail(struct passage *passage, const char *kind, const char *format, const char *why) {
  passage->state = DONE;
  passage->kind = kind;
  free(passage->message);
  if (asprintf(&passage->message, format, why) < 0) passage->message = NULL;
}

/* ---- the queue and the anchors ---- */

static void enqueue(struct door *door, struct passage *passage) {
  *door->tail = passage;
  door->tail = &passage->next;
}

static void unqueue(struct door *door, struct passage *passage) {
  struct passage **at = &door->queue;
  while (*at && *at != passage) at = &(*at)->next;
  if (!*at) return;
  *at = passage->next;
  passage->next = NULL;
  if (!*at) door->tail = at;
}

/* Keep the transfer at index alive while it is unfinished. [-0, +0, m] */
static void anchor(lua_State *L, int index, struct door *door, const struct passage *passage) {
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, index);
  lua_rawsetp(L, -2, passage);
  lua_pop(L, 1);
  door->count++;
}

/* Let go of it; the door is at index. [-0, +0, -] */
static void release(lua_State *L, int index, struct door *door, const struct passage *passage) {
  lua_getiuservalue(L, index, 1);
  lua_pushnil(L);
  lua_rawsetp(L, -2, passage);
  lua_pop(L, 1);
  door->count--;
}

/* ---- submit ---- */

/* Step 6: record the outcome. When that fails, the caller still gets the answer: the journal refuses every
 * further change. */
static void record_outcome(lua_State *L, struct door *door, const struct passage *passage,
                           const struct answer *answer) {
  if (!passage->changes || !door->journal) return;
  if (answer)
    gate_record_answer(L, passage->id, answer);
  else
    gate_record_failure(L, passage->id, passage->kind, passage->maybe_sent);
  gate_door_record(L, door, "outcome");
  sys_change_sent(-1);
}

/* Step 3: what changes something is on record before it may leave. NULL, or why not. */
static const char *record_intent(lua_State *L, struct door *door, struct passage *passage,
                                 const struct request *request, const char *script, const char *note) {
  if (!request->changes) return NULL;
  if (!door->journal) return "this door was opened without a journal";
  gate_door_id(L, passage->id);
  gate_record_request(L, passage->id, request, script, note);
  const char *failure = gate_door_record(L, door, "request");
  passage->changes = !failure;
  sys_change_sent(passage->changes);
  return failure;
}

static enum http_reach reach_of(const struct door *door, const struct peer *peer) {
  if (door->emulator) return HTTP_LOOPBACK;
  return strcmp(peer->name, "identity") == 0 ? HTTP_NEAR : HTTP_OUTSIDE;
}

/* Step 4: the credential is attached to the copy that leaves. */
static struct transfer *prepare(struct door *door, struct passage *passage, const struct request *request,
                                const struct credential *credential, double timeout) {
  const struct peer *peer = gate_peers_find(&door->peers, request->peer);
  struct http_peer route = {peer->ca, peer->proxy, reach_of(door, peer), peer->lenient};
  if (!door->http) door->http = http_open(STREAMS);
  if (!door->http) return NULL;
  return http_prepare(door->http, request, credential, &route, (long)ceil(timeout * 1000), passage);
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

/* Put it on record and make it ready to leave: push the passage and return 1, or fail, message and kind.
 * The door is at index 1, note at 6. [-0, +1|+3, e] */
static int admit(lua_State *L, struct door *door, struct request *request, const struct credential *credential,
                 const char *script, double timeout) {
  struct passage *passage = lib_new(L, sizeof *passage, GATE_TRANSFER);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 7, 1);
  const char *failure = record_intent(L, door, passage, request, script, lua_tostring(L, 6));
  if (failure)
    return lib_fail_kind(L, "journal", "%s %s was not sent, because it could not be put on record: %s", request->method,
                         request->origin, failure);
  passage->http = prepare(door, passage, request, credential, timeout);
  if (!passage->http) {
    fail(passage, "memory", "it was not sent: %s", "not enough memory");
    record_outcome(L, door, passage, NULL);
    return lib_fail_kind(L, "memory", "%s %s was not sent: not enough memory", request->method, request->origin);
  }
  anchor(L, 7, door, passage);
  enqueue(door, passage);
  return 1;
}

/* door:submit(request, credential, rights, timeout, note) -> transfer | nil, message, kind, wait */
int gate_door_submit(lua_State *L) {
  char message[1024];
  struct door *door = lib_check(L, 1, GATE_DOOR);
  struct request *request = request_check(L, 2);
  const struct credential *credential = lua_isnoneornil(L, 3) ? NULL : credential_check(L, 3);
  const struct rights *rights = gate_rights_check(L, 4, door);
  double timeout = luaL_checknumber(L, 5);
  lib_opttext(L, 6);
  luaL_argcheck(L, timeout > 0 && timeout <= MAX_TIMEOUT, 5, "timeout must lie between 0 and 3600 seconds");
  lua_settop(L, 6);
  if (!door->open) return lib_fail_kind(L, "closed", "%s %s: the door is closed", request->method, request->origin);
  luaL_argcheck(L, door->sealed, 1, "door is not sealed yet");

  const char *kind = gate_rights_refuse(rights, &door->peers, request, credential, message, sizeof message);
  if (kind) return lib_fail_kind(L, kind, "%s", message);
  double wait = budget_left(door, request);
  if (wait > 0) return refuse_early(L, request, wait);
  return admit(L, door, request, credential, gate_rights_owner_of(rights), timeout);
}

/* ---- flush and poll ---- */

/* Step 5. 1 when it left; else it stays in the queue, done, for poll to report. */
static int start(struct passage *passage, const char *failure) {
  if (passage->state != QUEUED) return 0;
  if (failure && passage->changes)
    fail(passage, "journal", "it was not sent, because the journal could not be written: %s", failure);
  else if (!http_begin(passage->http))
    fail(passage, "memory", "it was not sent: %s", "not enough memory");
  else
    passage->state = RUNNING;
  return passage->state == RUNNING;
}

static lua_Integer start_queued(struct door *door) {
  lua_Integer started = 0;
  const char *failure = gate_door_commit(door);
  for (struct passage *passage = door->queue, *next; passage; passage = next) {
    next = passage->next;
    if (!start(passage, failure)) continue;
    unqueue(door, passage);
    started++;
  }
  return started;
}

/* door:flush() -> count */
int gate_door_flush(lua_State *L) {
  lua_pushinteger(L, start_queued(gate_door_check(L)));
  return 1;
}

/* Keep what the transfer brought as the value of the userdata on top. [-0, +0, m] */
static void take(lua_State *L, struct door *door, struct passage *passage) {
  const char *message;
  const char *kind = http_transfer_failure(passage->http, &message, &passage->maybe_sent);
  struct answer *answer = answer_new(L, 0);
  if (!kind) http_transfer_take(passage->http, answer);
  if (kind) fail(passage, kind, "%s", message);
  passage->state = DONE;
  record_outcome(L, door, passage, kind ? NULL : answer);
  lua_setiuservalue(L, -2, 1);
}

/* Append a finished transfer to the list at index 3. [-0, +0, m] */
static void report(lua_State *L, struct door *door, struct passage *passage) {
  lua_getiuservalue(L, 1, 1);
  lua_rawgetp(L, -1, passage);
  release(L, 1, door, passage);
  if (passage->state == RUNNING)
    take(L, door, passage);
  else
    record_outcome(L, door, passage, NULL);
  lua_rawseti(L, 3, luaL_len(L, 3) + 1);
  lua_pop(L, 1);
}

/* Those flush could not send. [-0, +0, m] */
static void report_unsent(lua_State *L, struct door *door) {
  for (struct passage *passage = door->queue, *next; passage; passage = next) {
    next = passage->next;
    if (passage->state != DONE) continue;
    unqueue(door, passage);
    report(L, door, passage);
  }
}

/* door:poll(ms) -> list of finished transfers */
int gate_door_poll(lua_State *L) {
  struct door *door = gate_door_check(L);
  int ms = (int)luaL_checkinteger(L, 2);
  lua_settop(L, 2);
  lua_newtable(L);
  start_queued(door);
  report_unsent(L, door);
  if (luaL_len(L, 3) > 0) ms = 0;
  if (!door->http) {
    poll(NULL, 0, ms < 0 ? 0 : ms); /* nothing was ever sent: just the wait */
    return 1;
  }
  for (struct transfer *done = http_poll(door->http, ms); done; done = http_next(door->http))
    report(L, door, http_transfer_tag(done));
  if (!door->count) gate_door_commit(door); /* nothing may follow for long: release the journal's lock */
  return 1;
}

/* ---- transfers ---- */

static struct passage *check_transfer(lua_State *L) {
  struct passage *passage = lib_check(L, 1, GATE_TRANSFER);
  luaL_argcheck(L, passage->state != CLOSED, 1, "transfer is closed");
  return passage;
}

/* transfer:answer() -> answer | nil, message, kind, maybe_sent */
static int transfer_answer(lua_State *L) {
  const struct passage *passage = check_transfer(L);
  luaL_argcheck(L, passage->state == DONE, 1, "transfer is not finished");
  if (!passage->kind) {
    lua_getiuservalue(L, 1, 1);
    return 1;
  }
  lib_fail_kind(L, passage->kind, "%s", passage->message ? passage->message : "not enough memory");
  lua_pushboolean(L, passage->maybe_sent);
  return 4;
}

/* Stop a transfer that is not done: its outcome will stay unknown. The door is at index. [-0, +0, m] */
static void abandon(lua_State *L, int index, struct door *door, struct passage *passage) {
  passage->maybe_sent = passage->state == RUNNING;
  fail(passage, "closed", "%s", "it was abandoned before its answer came");
  record_outcome(L, door, passage, NULL);
  unqueue(door, passage);
  release(L, index, door, passage);
}

/* transfer:close(), __close and __gc. Idempotent. */
static int transfer_end(lua_State *L) {
  struct passage *passage = lib_check(L, 1, GATE_TRANSFER);
  if (passage->state == CLOSED) return 0;
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  struct door *door = luaL_testudata(L, 2, GATE_DOOR);
  if (door && door->open && (passage->state == QUEUED || passage->state == RUNNING)) abandon(L, 2, door, passage);
  http_transfer_close(passage->http);
  free(passage->message);
  passage->http = NULL;
  passage->message = NULL;
  passage->state = CLOSED;
  lua_pushnil(L);
  lua_setiuservalue(L, 1, 1);
  return 0;
}

/* door:running() -> count */
int gate_door_running(lua_State *L) {
  lua_pushinteger(L, gate_door_check(L)->count);
  return 1;
}

void gate_door_abandon_all(lua_State *L, struct door *door) {
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    struct passage *passage = lua_touserdata(L, -1);
    int unfinished = lua_islightuserdata(L, -2) && passage->state != CLOSED;
    lua_pop(L, 1);
    if (unfinished) abandon(L, 1, door, passage);
  }
}

void gate_passage_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"answer", transfer_answer}, {"close", transfer_end}, {NULL, NULL}};
  lib_type(L, GATE_TRANSFER, methods, transfer_end);
}
