/* host.sys, users of this machine: whose a file is, who we are, who sits at the terminal.
 */
#include "sys.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNMAPPED 65534 /* the kernel's number for all users that this namespace has no number for */

int sys_is_told(uid_t user) {
  return user != UNMAPPED;
}

/* Push the user's name, or the number as text when it has none. [-0, +1, m] */
static void push_user(lua_State *L, uid_t user) {
  const struct passwd *entry = getpwuid(user);
  if (entry)
    lua_pushstring(L, entry->pw_name);
  else
    lua_pushfstring(L, "%I", (LUAI_UACINT)user);
}

/* sys.owner(path) -> name | nil */
static int owner_of_file(lua_State *L) {
  struct stat info;
  if (stat(luaL_checkstring(L, 1), &info) != 0) return 0;
  push_user(L, info.st_uid);
  return 1;
}

/* sys.user() -> name */
static int user_name(lua_State *L) {
  push_user(L, geteuid());
  return 1;
}

/* sys.user_id(name) -> number | nil */
static int user_id(lua_State *L) {
  const struct passwd *entry = getpwnam(lib_checktext(L, 1));
  if (!entry) return 0;
  lua_pushinteger(L, entry->pw_uid);
  return 1;
}

/* sys.person() -> number, name | nil, message. Not the user this process acts as: who acts as
 * a service's user keeps a terminal of their own. */
static int person(lua_State *L) {
  uid_t user = getuid();
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    struct stat info;
    if (!isatty(fd)) continue;
    if (fstat(fd, &info) != 0) return lib_fail(L, "the owner of the terminal cannot be told");
    user = info.st_uid;
    break;
  }
  if (!sys_is_told(user)) return lib_fail(L, "the owner of the terminal is a user whom this namespace does not know");
  lua_pushinteger(L, user);
  push_user(L, user);
  return 2;
}

const luaL_Reg sys_user_functions[] = {
    {"owner", owner_of_file}, {"user", user_name}, {"user_id", user_id}, {"person", person}, {NULL, NULL},
};
