/* host.sys: secrets from outside: a key file, a file descriptor, an environment variable. They never become Lua
 * strings. */
#include "secret.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SECRET ((size_t)64 << 10)

/* Push the content as a secret, without one newline at its end unless whole is 1; or push nil, message and kind. */
static int push_read_secret(lua_State *L, struct buffer *content, const char *source, int whole) {
  if (!whole && content->length > 0 && content->data[content->length - 1] == '\n') content->length--;
  if (content->length == 0) return lib_fail_kind(L, "io", "no secret in %s: it is empty", source);
  secret_take(L, SECRET_CREDENTIAL, content);
  return 1;
}

/* sys.read_secret(path, kept_by, whole) -> secret | nil, message, kind. A service manager gives credentials to
 * another user by an access list, whose mask is visible as the group's permission to read (systemd since 254). A
 * platform (Kubernetes) mounts short-lived tokens as links to files that its container may read. */
static int sys_read_secret(lua_State *L) {
  static const char *const keepers[] = {"person", "manager", "platform", NULL};
  static const mode_t refused_by[] = {077, 037, 022};
  const char *path = luaL_checkstring(L, 1);
  int keeper = luaL_checkoption(L, 2, "person", keepers), whole = lua_toboolean(L, 3);
  mode_t refused = refused_by[keeper];
  const char *source = lua_pushfstring(L, "'%s'", path);
  struct buffer *content = buffer_new(L);
  int fd = sys_files_open_private(L, path, O_RDONLY | (keeper == 2 ? 0 : O_NOFOLLOW), refused);
  if (fd < 0) return 3;
  int code = sys_files_read_all(fd, content, MAX_SECRET);
  close(fd);
  if (code) return lib_fail_kind(L, "io", "cannot read the secret in '%s': %s", path, strerror(code));
  return push_read_secret(L, content, source, whole);
}

/* sys.read_secret_fd(fd) -> secret | nil, message, kind. Reads the descriptor to its end and closes it. */
static int sys_read_secret_fd(lua_State *L) {
  lua_Integer fd = luaL_checkinteger(L, 1);
  luaL_argcheck(L, fd >= 0 && fd < 65536, 1, "not a file descriptor");
  const char *source = lua_pushfstring(L, "file descriptor %I", fd);
  struct buffer *content = buffer_new(L);
  int code = sys_files_read_all((int)fd, content, MAX_SECRET);
  close((int)fd);
  if (code) return lib_fail_kind(L, "io", "cannot read the secret from %s: %s", source, strerror(code));
  return push_read_secret(L, content, source, 0);
}

/* sys.take_env(name) -> secret | nil. Removes the variable and wipes its bytes, so that /proc/PID/environ does not
 * show them either. */
static int sys_take_env(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  char *value = getenv(name);
  if (!value || !*value) return 0;
  secret_new(L, SECRET_CREDENTIAL, value, strlen(value));
  explicit_bzero(value, strlen(value));
  unsetenv(name);
  return 1;
}

const luaL_Reg sys_secret_functions[] = {
    {"read_secret", sys_read_secret},
    {"read_secret_fd", sys_read_secret_fd},
    {"take_env", sys_take_env},
    {NULL, NULL},
};
