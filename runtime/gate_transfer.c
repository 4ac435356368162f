/* The way of a request through the gate: check the rights (gate_rules.c), wait for the budget, record the request,
 * attach the credential, send, record the outcome.
 *
 * Ownership: a transfer keeps its door alive (user value 1) until it is done, then its answer. The door anchors
 * unfinished transfers in its table (user value 1: light userdata -> transfer).
 */
#include "gate_internal.h"
#include "secret.h"
#include "sys.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STREAMS 100L
#define MAX_TIMEOUT 3600.0

enum state { QUEUED, RUNNING, DONE, CLOSED };

/* A transfer as Lua sees it. http is libcurl's part of it. */
struct gate_transfer {
  struct transfer *http;
  struct gate_transfer *next; /* the next transfer in the door's queue */
  enum state state;
  int changes;      /* 1: the request is recorded, so the outcome must be recorded too */
  const char *kind; /* kind of failure; NULL when there is an answer */
  int maybe_sent;
  char id[17];   /* connects the records of request and outcome */
  char *message; /* why it failed; NULL when memory is out for the text */
};

/* Mark the transfer as done without an answer. */
static void fail_transfer(struct gate_transfer *transfer, const char *kind, const char *format, const char *why) {
  transfer->state = DONE;
  transfer->kind = kind;
  free(transfer->message);
  if (asprintf(&transfer->message, format, why) < 0) transfer->message = NULL;
}

/* ---- the queue and the anchors ---- */

static void enqueue_transfer(struct door *door, struct gate_transfer *transfer) {
  *door->tail = transfer;
  door->tail = &transfer->next;
}

static void dequeue_transfer(struct door *door, struct gate_transfer *transfer) {
  struct gate_transfer **at = &door->queue;
  while (*at && *at != transfer) at = &(*at)->next;
  if (!*at) return;
  *at = transfer->next;
  transfer->next = NULL;
  if (!*at) door->tail = at;
}

/* Anchor the transfer at index in its door while it is unfinished. [-0, +0, m] */
static void anchor_transfer(lua_State *L, int index, struct door *door, const struct gate_transfer *transfer) {
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, index);
  lua_rawsetp(L, -2, transfer);
  lua_pop(L, 1);
  door->count++;
}

/* Remove the transfer from the anchors of the door at index. [-0, +0, -] */
static void release_transfer(lua_State *L, int index, struct door *door, const struct gate_transfer *transfer) {
  lua_getiuservalue(L, index, 1);
  lua_pushnil(L);
  lua_rawsetp(L, -2, transfer);
  lua_pop(L, 1);
  door->count--;
}

/* ---- submit ---- */

/* Step 6: record the outcome. When the record fails, the caller still gets the answer, and the journal refuses every
 * further change. */
static void record_transfer_outcome(lua_State *L, struct door *door, const struct gate_transfer *transfer,
                                    const struct answer *answer) {
  if (!transfer->changes || !door->journal) return;
  if (answer)
    gate_record_answer(L, transfer->id, answer);
  else
    gate_record_failure(L, transfer->id, transfer->kind, transfer->maybe_sent);
  gate_door_record(L, door, "outcome");
  sys_interrupt_count_change(-1);
}

/* Step 3: a change is recorded before it may leave. Returns NULL, or why the record failed. */
static const char *record_transfer_request(lua_State *L, struct door *door, struct gate_transfer *transfer,
                                           const struct request *request, const char *script, const char *note) {
  if (!request->changes) return NULL;
  if (!door->journal) return "this door was opened without a journal";
  gate_door_new_record_id(L, transfer->id);
  gate_record_request(L, transfer->id, request, script, note);
  const char *failure = gate_door_record(L, door, "request");
  transfer->changes = !failure;
  sys_interrupt_count_change(transfer->changes);
  return failure;
}

static enum http_reach transfer_reach(const struct door *door, const struct peer *peer) {
  if (door->emulator || peer->is_local) return HTTP_LOOPBACK;
  return strcmp(peer->name, "identity") == 0 ? HTTP_NEAR : HTTP_OUTSIDE;
}

/* Step 4: make libcurl's transfer. The credential is attached to the copy that leaves. */
static struct transfer *prepare_http_transfer(struct door *door, struct gate_transfer *transfer,
                                              const struct request *request, const struct credential *credential,
                                              double timeout) {
  const struct peer *peer = gate_peers_find(&door->peers, request->peer);
  const char *proxy_authorization = door->proxy_authorization ? door->proxy_authorization->bytes : NULL;
  struct http_peer route = {peer->ca, peer->proxy, peer->proxy ? proxy_authorization : NULL, transfer_reach(door, peer),
                            peer->lenient};
  if (!door->http) door->http = http_open(MAX_STREAMS);
  if (!door->http) return NULL;
  return http_prepare(door->http, request, credential, &route, (long)ceil(timeout * 1000), transfer);
}

/* Step 2: return the seconds until the write budget lets the request leave. */
static double seconds_until_budget(struct door *door, struct request *request) {
  int counts = door->budget && request->changes && strcmp(request->peer, "graph") == 0;
  return counts ? gate_budget_wait(door->budget, request) : 0;
}

static int push_transfer_budget_refusal(lua_State *L, const struct request *request, double wait) {
  lib_fail_kind(L, "budget", "%s %s has to wait for the write budget", request->method, request->origin);
  lua_pushnumber(L, wait);
  return 4;
}

/* Note in the request which places of the answer its first call's rule declares as secrets. [-0, +0, e] */
static void note_declared_answers(lua_State *L, struct request *request, const struct rights *rights) {
  const struct rule *rule = request->call_count ? gate_rules_find(rights, request->peer, request->calls) : NULL;
  free(request->answers);
  request->answers = NULL;
  if (rule && rule->answers) request->answers = lib_copy(L, rule->answers);
}

/* Record the request and queue its transfer: push the transfer and return 1; or push nil, message and kind and return
 * 3. The door is at index 1, the note at 6. [-0, +1|+3, e] */
static int queue_transfer(lua_State *L, struct door *door, struct request *request, const struct credential *credential,
                          const char *script, double timeout) {
  struct gate_transfer *transfer = lib_new(L, sizeof *transfer, GATE_TRANSFER);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 7, 1);
  const char *failure = record_transfer_request(L, door, transfer, request, script, lua_tostring(L, 6));
  if (failure)
    return lib_fail_kind(L, "journal", "%s %s was not sent, because it could not be recorded: %s", request->method,
                         request->origin, failure);
  transfer->http = prepare_http_transfer(door, transfer, request, credential, timeout);
  if (!transfer->http) {
    fail_transfer(transfer, "memory", "it was not sent: %s", "not enough memory");
    record_transfer_outcome(L, door, transfer, NULL);
    return lib_fail_kind(L, "memory", "%s %s was not sent: not enough memory", request->method, request->origin);
  }
  anchor_transfer(L, 7, door, transfer);
  enqueue_transfer(door, transfer);
  return 1;
}

/* door:submit(request, credential, rights, timeout, note) -> transfer | nil, message, kind, wait */
int gate_transfer_submit(lua_State *L) {
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

  const char *kind = gate_rules_refuse(rights, &door->peers, request, credential, message, sizeof message);
  if (kind) return lib_fail_kind(L, kind, "%s", message);
  double wait = seconds_until_budget(door, request);
  if (wait > 0) return push_transfer_budget_refusal(L, request, wait);
  if (!request_peer_is_own(request->peer)) note_declared_answers(L, request, rights);
  return queue_transfer(L, door, request, credential, gate_rules_owner(rights), timeout);
}

/* ---- flush and poll ---- */

/* Step 5: send. Returns 1 when the transfer runs; else 0, and it stays in the queue as done, for poll to report. */
static int start_transfer(struct gate_transfer *transfer, const char *failure) {
  if (transfer->state != QUEUED) return 0;
  if (failure && transfer->changes)
    fail_transfer(transfer, "journal", "it was not sent, because the journal could not be written: %s", failure);
  else if (!http_start(transfer->http))
    fail_transfer(transfer, "memory", "it was not sent: %s", "not enough memory");
  else
    transfer->state = RUNNING;
  return transfer->state == RUNNING;
}

static lua_Integer start_queued_transfers(struct door *door) {
  lua_Integer started = 0;
  const char *failure = gate_door_commit(door);
  for (struct gate_transfer *transfer = door->queue, *next; transfer; transfer = next) {
    next = transfer->next;
    if (!start_transfer(transfer, failure)) continue;
    dequeue_transfer(door, transfer);
    started++;
  }
  return started;
}

/* door:flush() -> count */
int gate_transfer_flush(lua_State *L) {
  lua_pushinteger(L, start_queued_transfers(gate_door_check(L)));
  return 1;
}

/* Make the finished transfer done, and keep its answer as the user value of the userdata on top. [-0, +0, m] */
static void finish_transfer(lua_State *L, struct door *door, struct gate_transfer *transfer) {
  const char *message;
  const char *kind = http_transfer_failure(transfer->http, &message, &transfer->maybe_sent);
  struct answer *answer = answer_new(L, 0);
  if (!kind) http_transfer_take(transfer->http, answer);
  if (kind) fail_transfer(transfer, kind, "%s", message);
  transfer->state = DONE;
  record_transfer_outcome(L, door, transfer, kind ? NULL : answer);
  lua_setiuservalue(L, -2, 1);
}

/* Append a finished transfer to the list at index 3, and record its outcome. [-0, +0, m] */
static void report_transfer(lua_State *L, struct door *door, struct gate_transfer *transfer) {
  lua_getiuservalue(L, 1, 1);
  lua_rawgetp(L, -1, transfer);
  release_transfer(L, 1, door, transfer);
  if (transfer->state == RUNNING)
    finish_transfer(L, door, transfer);
  else
    record_transfer_outcome(L, door, transfer, NULL);
  lua_rawseti(L, 3, luaL_len(L, 3) + 1);
  lua_pop(L, 1);
}

/* Report the queued transfers that flush could not send. [-0, +0, m] */
static void report_unsent_transfers(lua_State *L, struct door *door) {
  for (struct gate_transfer *transfer = door->queue, *next; transfer; transfer = next) {
    next = transfer->next;
    if (transfer->state != DONE) continue;
    dequeue_transfer(door, transfer);
    report_transfer(L, door, transfer);
  }
}

/* door:poll(ms) -> list of finished transfers */
int gate_transfer_poll(lua_State *L) {
  struct door *door = gate_door_check(L);
  int ms = (int)luaL_checkinteger(L, 2);
  lua_settop(L, 2);
  lua_newtable(L);
  start_queued_transfers(door);
  report_unsent_transfers(L, door);
  if (luaL_len(L, 3) > 0) ms = 0;
  if (!door->http) {
    poll(NULL, 0, ms < 0 ? 0 : ms); /* nothing was sent yet: only wait */
    return 1;
  }
  for (struct transfer *done = http_poll(door->http, ms); done; done = http_next_finished(door->http))
    report_transfer(L, door, http_transfer_tag(done));
  if (!door->count)
    gate_door_commit(door); /* commit now, which releases the journal's lock: the next record may come much later */
  return 1;
}

/* ---- transfers ---- */

static struct gate_transfer *check_transfer(lua_State *L) {
  struct gate_transfer *transfer = lib_check(L, 1, GATE_TRANSFER);
  luaL_argcheck(L, transfer->state != CLOSED, 1, "transfer is closed");
  return transfer;
}

/* transfer:answer() -> answer | nil, message, kind, maybe_sent */
static int transfer_answer(lua_State *L) {
  const struct gate_transfer *transfer = check_transfer(L);
  luaL_argcheck(L, transfer->state == DONE, 1, "transfer is not finished");
  if (!transfer->kind) {
    lua_getiuservalue(L, 1, 1);
    return 1;
  }
  lib_fail_kind(L, transfer->kind, "%s", transfer->message ? transfer->message : "not enough memory");
  lua_pushboolean(L, transfer->maybe_sent);
  return 4;
}

/* Stop a transfer that is not done: its outcome stays unknown. The door is at index. [-0, +0, m] */
static void abandon_transfer(lua_State *L, int index, struct door *door, struct gate_transfer *transfer) {
  transfer->maybe_sent = transfer->state == RUNNING;
  fail_transfer(transfer, "closed", "%s", "it was abandoned before its answer came");
  record_transfer_outcome(L, door, transfer, NULL);
  dequeue_transfer(door, transfer);
  release_transfer(L, index, door, transfer);
}

/* transfer:close(), __close and __gc. Idempotent. */
static int transfer_close(lua_State *L) {
  struct gate_transfer *transfer = lib_check(L, 1, GATE_TRANSFER);
  if (transfer->state == CLOSED) return 0;
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  struct door *door = luaL_testudata(L, 2, GATE_DOOR);
  if (door && door->open && (transfer->state == QUEUED || transfer->state == RUNNING))
    abandon_transfer(L, 2, door, transfer);
  http_transfer_close(transfer->http);
  free(transfer->message);
  transfer->http = NULL;
  transfer->message = NULL;
  transfer->state = CLOSED;
  lua_pushnil(L);
  lua_setiuservalue(L, 1, 1);
  return 0;
}

/* door:running() -> count */
int gate_transfer_count(lua_State *L) {
  lua_pushinteger(L, gate_door_check(L)->count);
  return 1;
}

void gate_transfer_abandon_all(lua_State *L, struct door *door) {
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    struct gate_transfer *transfer = lua_touserdata(L, -1);
    int unfinished = lua_islightuserdata(L, -2) && transfer->state != CLOSED;
    lua_pop(L, 1);
    if (unfinished) abandon_transfer(L, 1, door, transfer);
  }
}

void gate_transfer_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"answer", transfer_answer}, {"close", transfer_close}, {NULL, NULL}};
  lib_type(L, GATE_TRANSFER, methods, transfer_close);
}
