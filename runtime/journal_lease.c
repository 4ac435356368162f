/* Leases: kernel locks on one file, held by a process and gone with it.
 *
 * A name is a byte of that file, far out where nothing is stored: where, its
 * hash says. So there is no file for each name to clean up, and a lock of the
 * kind that belongs to the open file (OFD) also keeps two leases of one
 * process apart. Time plays no part.
 */
#include "journal_internal.h"
#include "sys.h"

#include <errno.h>
#include <limits.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LEASE "host.journal.lease"

struct lease {
  int fd; /* 0 once closed: never a lock file's */
};

/* lease:close(), __close and __gc. Idempotent. */
static int lease_close(lua_State *L) {
  struct lease *lease = luaL_checkudata(L, 1, LEASE);
  if (lease->fd > 0) close(lease->fd);
  lease->fd = 0;
  return 0;
}

/* The byte that stands for this name. */
static off_t place_of(const char *name, size_t length) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  uint64_t place;
  SHA256((const unsigned char *)name, length, hash);
  memcpy(&place, hash, sizeof place);
  return (off_t)(place & (UINT64_MAX >> 2));
}

int journal_lease_take(lua_State *L, const char *directory, const char *name, size_t length) {
  char path[PATH_MAX];
  int is_held = 0;
  struct lease *lease = lib_new(L, sizeof *lease, LEASE);
  int fits = snprintf(path, sizeof path, "%s/" LEASES_NAME, directory) < (int)sizeof path;
  int code = fits ? sys_lock_bytes(path, place_of(name, length), 1, &lease->fd, &is_held) : ENAMETOOLONG;
  if (code == 0) return 1;
  int was_opened = lease->fd > 0;
  if (was_opened) close(lease->fd);
  lease->fd = 0;
  if (is_held)
    return lib_fail_kind(L, "busy",
                         "'%s' is being worked on by another moonlatch on this machine: wait for it, or stop it", name);
  return lib_fail_kind(L, "journal", "the lock file '%s' cannot be %s: %s", path, was_opened ? "locked" : "opened",
                       strerror(code));
}

void journal_lease_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"close", lease_close}, {NULL, NULL}};
  lib_type(L, LEASE, methods, lease_close);
}
