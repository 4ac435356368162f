/* host.sys.lock: a lock between processes, which is a kernel lock on a file of its own and ends with the process that
 * holds it. The holder may leave a mark in the file while it does something that must not be interrupted; the next
 * holder then learns of the interruption. */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LOCK "host.sys.lock"

struct lock {
  int fd; /* -1 once closed */
};

static struct lock *check_lock(lua_State *L) {
  struct lock *lock = luaL_checkudata(L, 1, LOCK);
  luaL_argcheck(L, lock->fd >= 0, 1, "lock is closed");
  return lock;
}

/* lock:close(), __close and __gc. Idempotent. */
static int lock_close(lua_State *L) {
  struct lock *lock = luaL_checkudata(L, 1, LOCK);
  if (lock->fd >= 0) close(lock->fd);
  lock->fd = -1;
  return 0;
}

/* lock:mark(). The mark is not synced: it survives a killed process, and after a power failure only the explanation
 * is less exact. */
static int lock_mark(lua_State *L) {
  lua_pushboolean(L, pwrite(check_lock(L)->fd, "!", 1, 0) == 1);
  return 1;
}

/* lock:unmark() */
static int lock_unmark(lua_State *L) {
  lua_pushboolean(L, ftruncate(check_lock(L)->fd, 0) == 0);
  return 1;
}

/* lock:marked() -> boolean */
static int lock_marked(lua_State *L) {
  char byte;
  lua_pushboolean(L, pread(check_lock(L)->fd, &byte, 1, 0) == 1);
  return 1;
}

int sys_lock_open(const char *path, off_t start, off_t length, int *fd, int *is_held) {
  struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  *is_held = 0;
  *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);
  if (*fd < 0) return errno;
  int code = fcntl(*fd, F_OFD_SETLK, &range) == 0 ? 0 : errno;
  *is_held = code == EAGAIN || code == EACCES;
  return code;
}

/* sys.lock(path) -> lock | nil, message, kind */
int sys_lock(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct lock *lock = lib_new(L, sizeof *lock, LOCK);
  int is_held;
  int code = sys_lock_open(path, 0, 0, &lock->fd, &is_held);
  if (!code) return 1;
  if (lock->fd >= 0) close(lock->fd);
  lock->fd = -1;
  return lib_fail_kind(L, is_held ? "held" : "io", "cannot lock '%s': %s", path,
                       is_held ? "another process holds it" : strerror(code));
}

void sys_lock_type(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"mark", lock_mark}, {"unmark", lock_unmark}, {"marked", lock_marked}, {"close", lock_close}, {NULL, NULL}};
  lib_type(L, LOCK, methods, lock_close);
}
