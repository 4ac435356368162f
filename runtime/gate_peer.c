/* Where requests may go: the peers that a profile names. No I/O and no Lua. */
#include "gate_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *gate_copy(const char *text, int *ok) {
  char *made = text ? strdup(text) : NULL;
  if (text && !made) *ok = 0;
  return made;
}

/* ---- the list ---- */

static void free_peer(struct peer *peer) {
  free(peer->name);
  free(peer->origin);
  free(peer->base);
  free(peer->ca);
  free(peer->proxy);
}

void gate_peers_free(struct peers *peers) {
  for (size_t i = 0; i < peers->count; i++) free_peer(&peers->list[i]);
  free(peers->list);
  *peers = (struct peers){0};
}

const struct peer *gate_peers_find(const struct peers *peers, const char *name) {
  for (size_t i = 0; i < peers->count; i++)
    if (strcmp(peers->list[i].name, name) == 0) return &peers->list[i];
  return NULL;
}

/* The entry of that name, or a new empty one at the end; NULL when memory is out. */
static struct peer *slot_for(struct peers *peers, const char *name) {
  const struct peer *known = gate_peers_find(peers, name);
  if (known) return &peers->list[known - peers->list];
  struct peer *list = reallocarray(peers->list, peers->count + 1, sizeof *list);
  if (!list) return NULL;
  peers->list = list;
  list[peers->count] = (struct peer){0};
  return &list[peers->count];
}

int gate_peers_add(struct peers *peers, const struct peer *peer) {
  int ok = 1;
  struct peer made = {gate_copy(peer->name, &ok), gate_copy(peer->origin, &ok), gate_copy(peer->base, &ok),
                      gate_copy(peer->ca, &ok),   gate_copy(peer->proxy, &ok),  peer->lenient};
  struct peer *slot = ok ? slot_for(peers, peer->name) : NULL;
  if (!slot) {
    free_peer(&made);
    return 0;
  }
  if (slot == peers->list + peers->count) peers->count++;
  free_peer(slot);
  *slot = made;
  return 1;
}

/* ---- where one may be ---- */

/* Copy the host out of scheme://host:port, without an IPv6 address's brackets. */
static void host_of(const char *origin, char *host, size_t size) {
  const char *begin = strstr(origin, "://") + 3;
  const char *end = strrchr(begin, ':');
  int bracket = *begin == '[';
  snprintf(host, size, "%.*s", (int)(end - begin) - 2 * bracket, begin + bracket);
}

/* NULL, or why this kind of door does not lead there. */
static const char *refuse_host(const char *name, const char *origin, int emulator) {
  char host[256];
  host_of(origin, host, sizeof host);
  int local = http_is_loopback(host);
  if (!emulator && strcmp(name, "identity") == 0)
    return http_is_near(host) ? NULL : "managed identities are served on this machine or its link (169.254.*.*) only";
  if (emulator && !local) return "an emulator's profile reaches this machine only (127.0.0.1, ::1, localhost)";
  if (!emulator && local) return "a real profile does not reach this machine; a profile with emulator = true does";
  return NULL;
}

static const char *refuse_proxy(const char *proxy) {
  if (!proxy) return NULL;
  CURLU *parsed = curl_url();
  if (!parsed) return "memory is out, so the address of its proxy cannot be checked";
  char *rest = NULL;
  CURLUcode code = curl_url_set(parsed, CURLUPART_URL, proxy, CURLU_DISALLOW_USER);
  int http = strncmp(proxy, "http://", 7) == 0;
  if (!code) code = curl_url_get(parsed, CURLUPART_PATH, &rest, 0);
  int plain = !code && http && rest && strcmp(rest, "/") == 0;
  curl_free(rest);
  curl_url_cleanup(parsed);
  return plain ? NULL : "a proxy is named as http://host:port";
}

const char *gate_peer_refuse(const char *name, const char *origin, const char *proxy, int emulator) {
  const char *why = refuse_host(name, origin, emulator);
  if (!why && proxy && strcmp(name, "identity") == 0) why = "no proxy leads to it";
  return why ? why : refuse_proxy(proxy);
}
