/* Inside of the gate: what gate.c, gate_rules.c and gate_record.c share. */
#ifndef GATE_INTERNAL_H
#define GATE_INTERNAL_H

#include "http.h"

/* Where requests of one name may go. */
struct peer {
  char *name;
  char *origin;
  char *base; /* the path that calls are relative to, without a slash at its end */
  char *ca;
  char *proxy;
  int lenient; /* as in struct http_peer */
};

/* One call that was declared. */
struct rule {
  char *peer;
  char *method;
  char *path;    /* template: "/applications/{id}/addPassword" */
  char *members; /* comma-separated, or NULL for any */
};

enum gate_mode { GATE_DECLARED, GATE_READ, GATE_WRITE };

struct rules {
  struct peer *peers;
  size_t peer_count;
  struct rule *list;
  size_t count;
  enum gate_mode mode;
};

void gate_rules_free(struct rules *rules);

/* Copy a peer or a rule in; a peer of the same name is replaced. 0 when memory is out. */
int gate_rules_add_peer(struct rules *rules, const struct peer *peer);
int gate_rules_add(struct rules *rules, const struct rule *rule);

/* May the peer of this name be at this origin, by way of this proxy (or NULL)? NULL, or why not. */
const char *gate_rules_refuse_peer(const char *name, const char *origin, const char *proxy, int emulator);

const struct peer *gate_rules_peer(const struct rules *rules, const char *name);

/* May this request leave, with this credential (or NULL)? NULL, or the kind of
 * refusal ("peer", "undeclared", "secret", "credential", "memory") and a sentence in message. */
const char *gate_rules_refuse(const struct rules *rules, const struct request *request,
                              const struct credential *credential, char *message, size_t size);

/* May the secrets in the body of this call stand where they do? declared: the places that the call's
 * rule declares, comma-separated ("data.*,token"), or NULL; they count for peers that gate_secrets.c
 * knows no places of. NULL, or "secret" and a sentence in message. */
const char *gate_secrets_refuse(const char *peer, const struct call *call, const char *declared, char *message,
                                size_t size);

/* Does the path fit the template? For tests, too. */
int gate_rules_match(const char *pattern, const char *path);

/* ---- the write budget (gate_budget.c) ---- */

struct budget;
struct clock;

/* At most count changes in so many seconds, shared through the file. NULL, with
 * fail and a message pushed, when the file cannot be used. The clock, an
 * emulator's or NULL, has to live as long. [-0, +0|+2|+3, m] */
struct budget *gate_budget_open(lua_State *L, const char *path, double count, double seconds,
                                const struct clock *clock);
void gate_budget_close(struct budget *budget);

/* Seconds until this request may leave; 0: now, and its moment is used up. It
 * keeps its place in the queue between two calls. */
double gate_budget_wait(struct budget *budget, struct request *request);

/* Changes a second, and seconds of changes that already wait for their moment. */
double gate_budget_rate(const struct budget *budget);
double gate_budget_ahead(const struct budget *budget);

/* Push the audit record of a request about to be sent, or of its outcome:
 * a JSON object, redacted. [-0, +1, m] */
void gate_record_request(lua_State *L, const char *id, const struct request *request, const char *note);
void gate_record_answer(lua_State *L, const char *id, const struct answer *answer);
void gate_record_failure(lua_State *L, const char *id, const char *kind, int maybe_sent);

#endif
