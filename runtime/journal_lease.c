/* Leases: kernel locks on one file, which a process holds until it ends.
 *
 * A name is locked by the byte at an offset that its hash gives, far beyond the file's content. So there are no files
 * per name to clean up. The locks belong to the open file (OFD), so two leases of one process exclude each other too.
 * Leases do not depend on time.
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
  int fd; /* 0 once closed: a lock file never has descriptor 0 */
};

/* lease:close(), __close and __gc. Idempotent. */
static int lease_close(lua_State *L) {
  struct lease *lease = luaL_checkudata(L, 1, LEASE);
  if (lease->fd > 0) close(lease->fd);
  lease->fd = 0;
  return 0;
}

/* Return the offset of the byte that is locked for this name; -1 when memory is out. */
static off_t lease_offset(const char *name, size_t length) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  uint64_t offset;
  if (!SHA256((const unsigned char *)name, length, hash)) return -1;
  memcpy(&offset, hash, sizeof offset);
  return (off_t)(offset & (UINT64_MAX >> 2));
}

int journal_lease_take(lua_State *L, const char *directory, const char *name, size_t length) {
  char path[PATH_MAX];
  int is_held = 0;
  struct lease *lease = lib_new(L, sizeof *lease, LEASE);
  int fits = snprintf(path, sizeof path, "%s/" LEASES_NAME, directory) < (int)sizeof path;
  off_t offset = lease_offset(name, length);
  int code = !fits ? ENAMETOOLONG : offset < 0 ? ENOMEM : sys_lock_open(path, offset, 1, &lease->fd, &is_held);
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
