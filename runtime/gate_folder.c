/* Folders that the profile names, for a script: plain files in them, read, listed, and written whole or not at all.
 * Names are plain, and no link is followed: a script reaches nothing beside the folder. */
#include "gate_internal.h"

#include "journal.h"
#include "secret.h"
#include "sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST_NAME 200
#define MOST_BYTES ((size_t)16 << 20) /* of a file that is read */

/* NULL, or why this is no name of a file within a folder. */
static const char *refuse_name(const char *name, size_t length) {
  if (!length || length > LONGEST_NAME) return "it has 1 to 200 bytes";
  if (*name == '.') return "it does not begin with a dot";
  for (size_t i = 0; i < length; i++)
    if (name[i] == '/' || (unsigned char)name[i] < ' ' || name[i] == 0x7f)
      return "it has no slash and no control characters";
  return NULL;
}

/* NULL, or why the open folder is not to be used. */
static const char *refuse_folder(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return strerror(errno);
  if (info.st_uid != geteuid() && info.st_uid != 0) return "it belongs to another user";
  return info.st_mode & 022 ? "others may write to it; run: chmod go-w on it" : NULL;
}

/* What a door's method is asked: the folder by its name, open; -1 when it was refused, with fail, message and kind
 * pushed. The rights are at index 2, the folder's name at 3. [-0, +0|+3, e] */
static int open_folder(lua_State *L, const struct door *door, enum gate_use use) {
  char message[512];
  const struct rights *rights = gate_rights_check(L, 2, door);
  const char *name = lib_checktext(L, 3);
  luaL_argcheck(L, door->sealed, 1, "door is not sealed yet");
  const char *kind = gate_rights_refuse_use(rights, use, name, message, sizeof message);
  const struct named *folder = kind ? NULL : gate_named_find(&door->folders, name);
  if (!folder) {
    lib_fail_kind(L, kind ? kind : "missing", kind ? "%s" : "the profile names no folder '%s'", kind ? message : name);
    return -1;
  }
  const char *path = buffer_next_text(&folder->texts, NULL);
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  const char *why = fd < 0 ? (errno == ENOTDIR || errno == ELOOP ? "it is no folder, or a link" : strerror(errno))
                           : refuse_folder(fd);
  if (!why) return fd;
  if (fd >= 0) close(fd);
  lib_fail_kind(L, "io", "cannot use the folder '%s' (%s): %s", name, path, why);
  return -1;
}

/* The name of a file at index 4; NULL when it is none, with fail, message and kind pushed. [-0, +0|+3, e] */
static const char *check_name(lua_State *L) {
  size_t length;
  const char *name = luaL_checklstring(L, 4, &length);
  const char *why = refuse_name(name, length);
  if (!why) return name;
  lib_fail_kind(L, "name", "the name of a file in a folder is plain: %s", why);
  return NULL;
}

/* ---- writing ---- */

/* Write all of it to a new file under a temporary name and give that its name; 0 or an errno value. */
static int place(int folder, const char *temporary, const char *name, const struct secret *content) {
  int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  int code = sys_write_all(fd, content->bytes, content->length);
  if (!code && fsync(fd) != 0) code = errno;
  if (close(fd) != 0 && !code) code = errno;
  if (!code && renameat(folder, temporary, folder, name) != 0) code = errno;
  if (code) unlinkat(folder, temporary, 0);
  if (!code && fsync(folder) != 0) code = errno;
  return code;
}

/* On record and durable that a file with a secret is written; what holds none is nobody's business. NULL, or why not.
 */
static const char *record_secret(lua_State *L, struct door *door, const char *script, const char *note) {
  if (!secret_test(L, 5)) return NULL;
  if (!door->journal) return "this door was opened without a journal";
  gate_record_file(L, lua_tostring(L, 3), lua_tostring(L, 4), script, note);
  const char *failure = gate_door_record(L, door, "file.write");
  return failure ? failure : gate_door_commit(door);
}

/* door:write(rights, folder, name, content, note) -> true | nil, message, kind */
int gate_door_write(lua_State *L) {
  char id[17], temporary[32];
  struct secret text = {0};
  struct door *door = gate_door_check(L);
  const struct secret *content = secret_test(L, 5);
  if (!content) text.bytes = (char *)luaL_checklstring(L, 5, &text.length);
  const char *note = lib_opttext(L, 6);
  lua_settop(L, 6);
  const char *name = check_name(L);
  if (!name) return 3;
  gate_door_id(L, id);
  snprintf(temporary, sizeof temporary, ".%s", id);
  int folder = open_folder(L, door, GATE_PUT);
  if (folder < 0) return 3;
  const char *failure = record_secret(L, door, gate_rights_owner_of(gate_rights_check(L, 2, door)), note);
  int code = failure ? 0 : place(folder, temporary, name, content ? content : &text);
  close(folder);
  if (failure)
    return lib_fail_kind(L, "journal", "'%s' was not written, because it could not be put on record: %s", name,
                         failure);
  if (code) return lib_fail_kind(L, "io", "cannot write '%s' in '%s': %s", name, lua_tostring(L, 3), strerror(code));
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- reading ---- */

/* Append what the file holds; 0 or an errno value. */
static int read_whole(int folder, const char *name, struct buffer *out) {
  struct stat info;
  int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno;
  int code = fstat(fd, &info) != 0 ? errno : S_ISREG(info.st_mode) ? 0 : EINVAL;
  if (!code) code = sys_read_all(fd, out, MOST_BYTES);
  close(fd);
  return code;
}

/* door:read(rights, folder, name) -> text | nil, message, kind ("absent" when there is no such file) */
int gate_door_read(lua_State *L) {
  struct door *door = gate_door_check(L);
  lua_settop(L, 4);
  const char *name = check_name(L);
  if (!name) return 3;
  struct buffer *content = buffer_new(L);
  int folder = open_folder(L, door, GATE_LOOK);
  if (folder < 0) return 3;
  int code = read_whole(folder, name, content);
  close(folder);
  if (code == ENOENT) return lib_fail_kind(L, "absent", "there is no '%s' in '%s'", name, lua_tostring(L, 3));
  if (code)
    return lib_fail_kind(L, "io", "cannot read '%s' in '%s': %s", name, lua_tostring(L, 3),
                         code == ELOOP    ? "it is a symbolic link"
                         : code == EINVAL ? "it is not a regular file"
                                          : strerror(code));
  lua_pushlstring(L, content->length ? content->data : "", content->length);
  return 1;
}

/* Push the names of the files that scripts may name. The folder is closed. [-0, +1, m] */
static void push_names(lua_State *L, struct dirent **entries, int count) {
  lua_Integer kept = 0;
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    if (refuse_name(entries[i]->d_name, strlen(entries[i]->d_name)) || entries[i]->d_type != DT_REG) continue;
    lua_pushstring(L, entries[i]->d_name);
    lua_rawseti(L, -2, ++kept);
  }
}

/* door:list(rights, folder) -> names, sorted | nil, message, kind */
int gate_door_list(lua_State *L) {
  struct door *door = gate_door_check(L);
  struct dirent **entries;
  lua_settop(L, 3);
  int folder = open_folder(L, door, GATE_LOOK);
  if (folder < 0) return 3;
  int count = scandirat(folder, ".", &entries, NULL, alphasort);
  int code = errno;
  close(folder);
  if (count < 0) return lib_fail_kind(L, "io", "cannot list '%s': %s", lua_tostring(L, 3), strerror(code));
  push_names(L, entries, count);
  for (int i = 0; i < count; i++) free(entries[i]);
  free(entries);
  return 1;
}
