/* host.sys: secrets from outside: a key file, a file descriptor, an environment variable. They never become Lua
 * strings. */
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
 * text: a secret that a service made; a byte order mark and final line ends are removed, because editors and shells
 * add them, and any other character that is not part of such a secret is refused;
 * bytes: a key of any bytes, without one final newline;
 * whole: a file of a certificate, unchanged. */
enum secret_form { FORM_TEXT, FORM_BYTES, FORM_WHOLE };

static enum secret_form check_secret_form(lua_State *L, int index) {
  static const char *const forms[] = {"text", "bytes", "whole", NULL};
  return (enum secret_form)luaL_checkoption(L, index, "text", forms);
}

static void remove_front_bytes(struct buffer *content, size_t count) {
  content->length -= count;
  memmove(content->data, content->data + count, content->length);
}

static int is_line_end(char byte) {
  return byte == '\n' || byte == '\r';
}

/* Push why this byte of a secret is refused. */
static void push_byte_problem(lua_State *L, const struct buffer *content, size_t at, const char *problem) {
  char value[3];
  snprintf(value, sizeof value, "%02X", (unsigned char)content->data[at]);
  lua_pushfstring(L, "byte %I is %s (0x%s)", (lua_Integer)at + 1, problem, value);
}

/* Return why this byte cannot be part of a secret in text, or NULL. */
static const char *text_byte_problem(const struct buffer *content, size_t at) {
  unsigned char byte = (unsigned char)content->data[at];
  if (byte == ' ') return at == 0 || at == content->length - 1 ? "a blank at one end" : NULL;
  if (is_line_end((char)byte)) return "a line end, and more follows";
  if (byte == '\t') return "a tabulator";
  if (byte == 0) return "NUL, as in UTF-16";
  return byte < 0x20 || byte == 0x7F ? "a control character" : NULL;
}

/* Remove a byte order mark and final line ends, and return 1; or push why the content is not a secret in text, and
 * return 0. [-0, +0|1, m] */
static int clean_secret_text(lua_State *L, struct buffer *content) {
  const char *data = content->data;
  if (content->length >= 2 && (memcmp(data, "\xFF\xFE", 2) == 0 || memcmp(data, "\xFE\xFF", 2) == 0)) {
    lua_pushliteral(L, "it begins with the byte order mark of UTF-16; save it as UTF-8");
    return 0;
  }
  if (content->length >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0) remove_front_bytes(content, 3);
  while (content->length > 0 && is_line_end(content->data[content->length - 1])) content->length--;
  for (size_t at = 0; at < content->length; at++) {
    const char *problem = text_byte_problem(content, at);
    if (problem) {
      push_byte_problem(L, content, at, problem);
      return 0;
    }
  }
  return 1;
}

/* Push the content as a secret; or push nil, message and kind. Returns the number of results. */
static int push_read_secret(lua_State *L, struct buffer *content, const char *source, enum secret_form form) {
  if (form == FORM_BYTES && content->length > 0 && content->data[content->length - 1] == '\n') content->length--;
  if (form == FORM_TEXT && !clean_secret_text(L, content))
    return lib_fail_kind(L, "text", "no secret in %s: %s", source, lua_tostring(L, -1));
  if (content->length == 0) return lib_fail_kind(L, "io", "no secret in %s: it is empty", source);
  secret_take(L, SECRET_CREDENTIAL, content);
  return 1;
}

/* sys.read_secret(path, kept_by, form) -> secret | nil, message, kind. A service manager gives credentials to another
 * user by an access list, whose mask is visible as the group's permission to read (systemd since 254). A platform
 * (Kubernetes) mounts secrets and short-lived tokens as links to files that its container may read. */
static int sys_read_secret(lua_State *L) {
  static const char *const keepers[] = {"person", "manager", "platform", NULL};
  static const mode_t refused_by[] = {077, 037, 022};
  const char *path = luaL_checkstring(L, 1);
  int keeper = luaL_checkoption(L, 2, "person", keepers);
  enum secret_form form = check_secret_form(L, 3);
  mode_t refused = refused_by[keeper];
  const char *source = lua_pushfstring(L, "'%s'", path);
  struct buffer *content = buffer_new(L);
  int fd = sys_files_open_private(L, path, O_RDONLY | (keeper == 2 ? 0 : O_NOFOLLOW), refused);
  if (fd < 0) return 3;
  int code = sys_files_read_all(fd, content, MAX_SECRET);
  close(fd);
  if (code) return lib_fail_kind(L, "io", "cannot read the secret in '%s': %s", path, strerror(code));
  return push_read_secret(L, content, source, form);
}

/* sys.read_secret_fd(fd, form) -> secret | nil, message, kind. Reads the descriptor to its end and closes it. */
static int sys_read_secret_fd(lua_State *L) {
  lua_Integer fd = luaL_checkinteger(L, 1);
  luaL_argcheck(L, fd >= 0 && fd < 65536, 1, "not a file descriptor");
  enum secret_form form = check_secret_form(L, 2);
  const char *source = lua_pushfstring(L, "file descriptor %I", fd);
  struct buffer *content = buffer_new(L);
  int code = sys_files_read_all((int)fd, content, MAX_SECRET);
  close((int)fd);
  if (code) return lib_fail_kind(L, "io", "cannot read the secret from %s: %s", source, strerror(code));
  return push_read_secret(L, content, source, form);
}

/* sys.take_env(name) -> secret | nil, message, kind. Removes the variable and wipes its bytes, so that
 * /proc/PID/environ does not show them either. */
static int sys_take_env(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  char *value = getenv(name);
  if (!value || !*value) return 0;
  struct buffer *content = buffer_new(L);
  buffer_add(L, content, value, strlen(value));
  explicit_bzero(value, strlen(value));
  unsetenv(name);
  return push_read_secret(L, content, lua_pushfstring(L, "the variable %s", name), FORM_TEXT);
}

const luaL_Reg sys_secret_functions[] = {
    {"read_secret", sys_read_secret},
    {"read_secret_fd", sys_read_secret_fd},
    {"take_env", sys_take_env},
    {NULL, NULL},
};
