/* Peers: the HTTPS services that a profile names, and at which addresses each may be. No I/O and no Lua. */
#include "gate_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *gate_peer_copy_text(const char *text, int *ok) {
  char *copy = text ? strdup(text) : NULL;
  if (text && !copy) *ok = 0;
  return copy;
}

/* ---- the list of peers ---- */

static void free_peer(struct peer *peer) {
  free(peer->name);
  free(peer->origin);
  if (peer->base) explicit_bzero(peer->base, strlen(peer->base)); /* it may be a secret */
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

/* Return the peer of that name, or a new empty one after the last; NULL when memory is out. */
static struct peer *find_or_append_peer(struct peers *peers, const char *name) {
  const struct peer *found = gate_peers_find(peers, name);
  if (found) return &peers->list[found - peers->list];
  struct peer *list = reallocarray(peers->list, peers->count + 1, sizeof *list);
  if (!list) return NULL;
  peers->list = list;
  list[peers->count] = (struct peer){0};
  return &list[peers->count];
}

int gate_peers_add(struct peers *peers, const struct peer *peer) {
  int ok = 1;
  struct peer copy = {gate_peer_copy_text(peer->name, &ok),
                      gate_peer_copy_text(peer->origin, &ok),
                      gate_peer_copy_text(peer->base, &ok),
                      gate_peer_copy_text(peer->ca, &ok),
                      gate_peer_copy_text(peer->proxy, &ok),
                      peer->lenient,
                      peer->is_local,
                      peer->is_secret};
  struct peer *slot = ok ? find_or_append_peer(peers, peer->name) : NULL;
  if (!slot) {
    free_peer(&copy);
    return 0;
  }
  if (slot == peers->list + peers->count) peers->count++;
  free_peer(slot);
  *slot = copy;
  return 1;
}

/* ---- allowed addresses ---- */

/* Copy the host of an origin (scheme://host:port), without the brackets of an IPv6 address. */
static void copy_origin_host(const char *origin, char *host, size_t size) {
  const char *begin = strstr(origin, "://") + 3;
  const char *end = strrchr(begin, ':');
  int bracket = *begin == '[';
  snprintf(host, size, "%.*s", (int)(end - begin) - 2 * bracket, begin + bracket);
}

/* Return why a door of this kind may not reach the host of the peer, or NULL. */
static const char *peer_host_problem(const struct peer *peer, int emulator) {
  char host[256];
  copy_origin_host(peer->origin, host, sizeof host);
  int local = http_address_is_loopback(host);
  if (!emulator && strcmp(peer->name, "identity") == 0)
    return http_address_is_near(host) ? NULL
                                      : "managed identities are served on this machine or its link (169.254.*.*) only";
  if (emulator && !local) return "an emulator's profile reaches this machine only (127.0.0.1, ::1, localhost)";
  if (!request_peer_is_own(peer->name) && !local && http_address_is_near(host))
    return "no service is there: 169.254.*.* has the metadata of this machine";
  if (peer->is_local) return local ? NULL : "a peer with local = true is on this machine (127.0.0.1, ::1, localhost)";
  if (!emulator && local && !request_peer_is_own(peer->name))
    return "a real profile reaches this machine only for a peer with local = true";
  if (!emulator && local) return "a real profile does not reach this machine; a profile with emulator = true does";
  return NULL;
}

/* Return why the proxy's address is not allowed, or NULL. */
static const char *proxy_problem(const char *proxy) {
  if (!proxy) return NULL;
  CURLU *parsed = curl_url();
  if (!parsed) return "not enough memory to check the address of its proxy";
  char *path = NULL;
  CURLUcode code = curl_url_set(parsed, CURLUPART_URL, proxy, CURLU_DISALLOW_USER);
  int http = strncmp(proxy, "http://", 7) == 0;
  if (!code) code = curl_url_get(parsed, CURLUPART_PATH, &path, 0);
  int is_valid = !code && http && path && strcmp(path, "/") == 0;
  curl_free(path);
  curl_url_cleanup(parsed);
  return is_valid ? NULL : "the address of a proxy has the form http://host:port";
}

const char *gate_peer_problem(const struct peer *peer, int emulator) {
  const char *problem = peer_host_problem(peer, emulator);
  if (!problem && peer->proxy && strcmp(peer->name, "identity") == 0)
    problem = "managed identities are not reached through a proxy";
  return problem ? problem : proxy_problem(peer->proxy);
}
