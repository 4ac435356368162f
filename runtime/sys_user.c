/* host.sys: users of this machine: the owner of a file, the user of this process, the person at the terminal. */
#include "sys.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNMAPPED 65534 /* the kernel's id for all users that this namespace does not map */

int sys_user_is_mapped(uid_t user) {
  return user != UNMAPPED;
}

/* Push the user's name, or the id as text when the user has no name. [-0, +1, m] */
static void push_user_name(lua_State *L, uid_t user) {
  const struct passwd *entry = getpwuid(user);
  if (entry)
    lua_pushstring(L, entry->pw_name);
  else
    lua_pushfstring(L, "%I", (LUAI_UACINT)user);
}

/* sys.owner(path) -> name | nil */
static int sys_owner(lua_State *L) {
  struct stat info;
  if (stat(luaL_checkstring(L, 1), &info) != 0) return 0;
  push_user_name(L, info.st_uid);
  return 1;
}

/* sys.user() -> name */
static int sys_user(lua_State *L) {
  push_user_name(L, geteuid());
  return 1;
}

/* sys.user_id(name) -> number | nil */
static int sys_user_id(lua_State *L) {
  const struct passwd *entry = getpwnam(lib_checktext(L, 1));
  if (!entry) return 0;
  lua_pushinteger(L, entry->pw_uid);
  return 1;
}

/* sys.person() -> number, name | nil, message. The owner of the terminal, who may be another user than the one that
 * this process runs as (sudo -u). */
static int sys_person(lua_State *L) {
  uid_t user = getuid();
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    struct stat info;
    if (!isatty(fd)) continue;
    if (fstat(fd, &info) != 0) return lib_fail(L, "cannot find the owner of the terminal: fstat failed");
    user = info.st_uid;
    break;
  }
  if (!sys_user_is_mapped(user))
    return lib_fail(L, "cannot find the owner of the terminal: this namespace does not map that user");
  lua_pushinteger(L, user);
  push_user_name(L, user);
  return 2;
}

const luaL_Reg sys_user_functions[] = {
    {"owner", sys_owner}, {"user", sys_user}, {"user_id", sys_user_id}, {"person", sys_person}, {NULL, NULL},
};
