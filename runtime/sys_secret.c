/* Secrets that come from outside: a key file, a file descriptor, an
 * environment variable. They never become Lua strings.
 */
#include "secret.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SECRET ((size_t)64 << 10)

/* How the content of a file or descriptor becomes a secret:
 *   text   a secret that a service gave out. A byte order mark and line ends at the end are dropped, for editors and
 *          shells add them; anything else that cannot be part of such a secret is refused
 *   bytes  a key of any bytes, less one newline at its end
 *   whole  a file of a certificate: all of it */
enum form { TEXT, BYTES, WHOLE };

static enum form check_form(lua_State *L, int index) {
  static const char *const forms[] = {"text", "bytes", "whole", NULL};
  return (enum form)luaL_checkoption(L, index, "text", forms);
}

static void drop_front(struct buffer *content, size_t count) {
  content->length -= count;
  memmove(content->data, content->data + count, content->length);
}

static int is_line_end(char byte) {
  return byte == '\n' || byte == '\r';
}

/* Push why this byte of a secret is refused. */
static void push_fault(lua_State *L, const struct buffer *content, size_t at, const char *what) {
  char value[3];
  snprintf(value, sizeof value, "%02X", (unsigned char)content->data[at]);
  lua_pushfstring(L, "byte %I is %s (0x%s)", (lua_Integer)at + 1, what, value);
}

/* What this byte is when it cannot be part of a secret in text, or NULL. */
static const char *name_fault(const struct buffer *content, size_t at) {
  unsigned char byte = (unsigned char)content->data[at];
  if (byte == ' ') return at == 0 || at == content->length - 1 ? "a blank at one end" : NULL;
  if (is_line_end((char)byte)) return "a line end, and more follows";
  if (byte == '\t') return "a tabulator";
  if (byte == 0) return "NUL, as in UTF-16";
  return byte < 0x20 || byte == 0x7F ? "a control character" : NULL;
}

/* Drop a byte order mark and line ends. Push why it is no secret in text, and return 0; or return 1. [-0, +0|1, m] */
static int clean_text(lua_State *L, struct buffer *content) {
  const char *data = content->data;
  if (content->length >= 2 && (memcmp(data, "\xFF\xFE", 2) == 0 || memcmp(data, "\xFE\xFF", 2) == 0)) {
    lua_pushliteral(L, "it begins with the byte order mark of UTF-16; save it as UTF-8");
    return 0;
  }
  if (content->length >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0) drop_front(content, 3);
  while (content->length > 0 && is_line_end(content->data[content->length - 1])) content->length--;
  for (size_t at = 0; at < content->length; at++) {
    const char *fault = name_fault(content, at);
    if (fault) {
      push_fault(L, content, at, fault);
      return 0;
    }
  }
  return 1;
}

/* Push the content as a secret, or fail. */
static int push_secret(lua_State *L, struct buffer *content, const char *from, enum form form) {
  if (form == BYTES && content->length > 0 && content->data[content->length - 1] == '\n') content->length--;
  if (form == TEXT && !clean_text(L, content))
    return lib_fail_kind(L, "text", "no secret in %s: %s", from, lua_tostring(L, -1));
  if (content->length == 0) return lib_fail_kind(L, "io", "no secret in %s: it is empty", from);
  secret_take(L, SECRET_CREDENTIAL, content);
  return 1;
}

/* sys.read_secret(path, kept_by, form) -> secret | nil, message, kind. A
 * service manager hands credentials to another user by an access list, whose
 * mask shows as the group's permission to read (systemd since 254). A platform
 * (Kubernetes) mounts secrets and short-lived tokens as links to files that its
 * container may read. */
static int read_secret(lua_State *L) {
  static const char *const keepers[] = {"person", "manager", "platform", NULL};
  static const mode_t refused_by[] = {077, 037, 022};
  const char *path = luaL_checkstring(L, 1);
  int keeper = luaL_checkoption(L, 2, "person", keepers);
  enum form form = check_form(L, 3);
  mode_t refused = refused_by[keeper];
  const char *from = lua_pushfstring(L, "'%s'", path);
  struct buffer *content = buffer_new(L);
  int fd = sys_open_private(L, path, O_RDONLY | (keeper == 2 ? 0 : O_NOFOLLOW), refused);
  if (fd < 0) return 3;
  int code = sys_read_all(fd, content, MAX_SECRET);
  close(fd);
  if (code) return lib_fail_kind(L, "io", "cannot read the secret in '%s': %s", path, strerror(code));
  return push_secret(L, content, from, form);
}

/* sys.read_secret_fd(fd, form) -> secret | nil, message, kind. Reads to the end and closes it. */
static int read_secret_fd(lua_State *L) {
  lua_Integer fd = luaL_checkinteger(L, 1);
  luaL_argcheck(L, fd >= 0 && fd < 65536, 1, "not a file descriptor");
  enum form form = check_form(L, 2);
  const char *from = lua_pushfstring(L, "file descriptor %I", fd);
  struct buffer *content = buffer_new(L);
  int code = sys_read_all((int)fd, content, MAX_SECRET);
  close((int)fd);
  if (code) return lib_fail_kind(L, "io", "cannot read the secret from %s: %s", from, strerror(code));
  return push_secret(L, content, from, form);
}

/* sys.take_env(name) -> secret | nil, message, kind. The bytes are wiped where the kernel put
 * them, so that /proc/PID/environ does not show them either. */
static int take_env(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  char *value = getenv(name);
  if (!value || !*value) return 0;
  struct buffer *content = buffer_new(L);
  buffer_add(L, content, value, strlen(value));
  explicit_bzero(value, strlen(value));
  unsetenv(name);
  return push_secret(L, content, lua_pushfstring(L, "the variable %s", name), TEXT);
}

const luaL_Reg sys_secret_functions[] = {
    {"read_secret", read_secret},
    {"read_secret_fd", read_secret_fd},
    {"take_env", take_env},
    {NULL, NULL},
};
