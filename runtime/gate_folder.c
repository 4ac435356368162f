/* Files in folders that the profile names, for a script: read, listed, and written atomically. A file's name has no
 * slash, and no link is followed, so a script reaches nothing outside the folder. */
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

#define MAX_FILE_NAME 200
#define MAX_FILE_BYTES ((size_t)16 << 20) /* a longer file is not read */

/* Return why a script may not name a file so, or NULL. */
static const char *folder_file_name_problem(const char *name, size_t length) {
  if (!length || length > MAX_FILE_NAME) return "it must have 1 to 200 bytes";
  if (*name == '.') return "it must not begin with a dot";
  for (size_t i = 0; i < length; i++)
    if (name[i] == '/' || (unsigned char)name[i] < ' ' || name[i] == 0x7f)
      return "it must not have a slash or a control character";
  return NULL;
}

/* Return why the open folder is not safe to use, or NULL. */
static const char *folder_problem(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return strerror(errno);
  if (info.st_uid != geteuid() && info.st_uid != 0) return "it belongs to another user";
  return info.st_mode & 022 ? "other users may write to it; run chmod go-w on it" : NULL;
}

/* Open the folder whose name is at index 3, with the rights at index 2. Returns its descriptor; -1 when the rights
 * refuse it or it cannot be opened, with nil, message and kind pushed. [-0, +0|+3, e] */
static int open_named_folder(lua_State *L, const struct door *door, enum gate_use use) {
  char message[512];
  const struct rights *rights = gate_rights_check(L, 2, door);
  const char *name = lib_checktext(L, 3);
  luaL_argcheck(L, door->sealed, 1, "door is not sealed yet");
  const char *kind = gate_rules_refuse_use(rights, use, name, message, sizeof message);
  const struct named *folder = kind ? NULL : gate_named_find(&door->folders, name);
  if (!folder) {
    lib_fail_kind(L, kind ? kind : "missing", kind ? "%s" : "the profile names no folder '%s'", kind ? message : name);
    return -1;
  }
  const char *path = buffer_next_text(&folder->texts, NULL);
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  const char *problem =
      fd < 0 ? (errno == ENOTDIR || errno == ELOOP ? "it is not a folder, or it is a symbolic link" : strerror(errno))
             : folder_problem(fd);
  if (!problem) return fd;
  if (fd >= 0) close(fd);
  lib_fail_kind(L, "io", "cannot use the folder '%s' (%s): %s", name, path, problem);
  return -1;
}

/* Return the file name at index 4; NULL when it is invalid, with nil, message and kind pushed. [-0, +0|+3, e] */
static const char *check_folder_file_name(lua_State *L) {
  size_t length;
  const char *name = luaL_checklstring(L, 4, &length);
  const char *problem = folder_file_name_problem(name, length);
  if (!problem) return name;
  lib_fail_kind(L, "name", "the file name is refused: %s", problem);
  return NULL;
}

/* ---- writing ---- */

/* Write the content to a new file of the temporary name, sync it, and rename it to name. 0 or an errno value. */
static int write_folder_file(int folder, const char *temporary, const char *name, const struct secret *content) {
  int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  int code = sys_files_write_all(fd, content->bytes, content->length);
  if (!code && fsync(fd) != 0) code = errno;
  if (close(fd) != 0 && !code) code = errno;
  if (!code && renameat(folder, temporary, folder, name) != 0) code = errno;
  if (code) unlinkat(folder, temporary, 0);
  if (!code && fsync(folder) != 0) code = errno;
  return code;
}

/* Record durably that a file with a secret is written; a file without a secret is not recorded. Returns NULL, or why
 * it failed. */
static const char *record_folder_secret(lua_State *L, struct door *door, const char *script, const char *note) {
  if (!secret_test(L, 5)) return NULL;
  if (!door->journal) return "this door was opened without a journal";
  gate_record_file(L, lua_tostring(L, 3), lua_tostring(L, 4), script, note);
  const char *failure = gate_door_record(L, door, "file.write");
  return failure ? failure : gate_door_commit(door);
}

/* door:write(rights, folder, name, content, note) -> true | nil, message, kind */
int gate_folder_write(lua_State *L) {
  char id[17], temporary[32];
  struct secret text = {0};
  struct door *door = gate_door_check(L);
  const struct secret *content = secret_test(L, 5);
  if (!content) text.bytes = (char *)luaL_checklstring(L, 5, &text.length);
  const char *note = lib_opttext(L, 6);
  lua_settop(L, 6);
  const char *name = check_folder_file_name(L);
  if (!name) return 3;
  gate_door_new_record_id(L, id);
  snprintf(temporary, sizeof temporary, ".%s", id);
  int folder = open_named_folder(L, door, GATE_USE_WRITE);
  if (folder < 0) return 3;
  const char *failure = record_folder_secret(L, door, gate_rules_owner(gate_rights_check(L, 2, door)), note);
  int code = failure ? 0 : write_folder_file(folder, temporary, name, content ? content : &text);
  close(folder);
  if (failure)
    return lib_fail_kind(L, "journal", "the file '%s' was not written, because it could not be recorded: %s", name,
                         failure);
  if (code) return lib_fail_kind(L, "io", "cannot write '%s' in '%s': %s", name, lua_tostring(L, 3), strerror(code));
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- reading ---- */

/* Append the content of the file to out; 0 or an errno value. */
static int read_folder_file(int folder, const char *name, struct buffer *out) {
  struct stat info;
  int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno;
  int code = fstat(fd, &info) != 0 ? errno : S_ISREG(info.st_mode) ? 0 : EINVAL;
  if (!code) code = sys_files_read_all(fd, out, MAX_FILE_BYTES);
  close(fd);
  return code;
}

/* door:read(rights, folder, name) -> text | nil, message, kind ("absent" when there is no such file) */
int gate_folder_read(lua_State *L) {
  struct door *door = gate_door_check(L);
  lua_settop(L, 4);
  const char *name = check_folder_file_name(L);
  if (!name) return 3;
  struct buffer *content = buffer_new(L);
  int folder = open_named_folder(L, door, GATE_USE_READ);
  if (folder < 0) return 3;
  int code = read_folder_file(folder, name, content);
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

/* Push a list of the names of regular files that scripts may name. */
static void push_folder_files(lua_State *L, struct dirent **entries, int count) {
  lua_Integer length = 0;
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    if (folder_file_name_problem(entries[i]->d_name, strlen(entries[i]->d_name)) || entries[i]->d_type != DT_REG)
      continue;
    lua_pushstring(L, entries[i]->d_name);
    lua_rawseti(L, -2, ++length);
  }
}

/* door:list(rights, folder) -> names, sorted | nil, message, kind */
int gate_folder_list(lua_State *L) {
  struct door *door = gate_door_check(L);
  struct dirent **entries;
  lua_settop(L, 3);
  int folder = open_named_folder(L, door, GATE_USE_READ);
  if (folder < 0) return 3;
  int count = scandirat(folder, ".", &entries, NULL, alphasort);
  int code = errno;
  close(folder);
  if (count < 0) return lib_fail_kind(L, "io", "cannot list '%s': %s", lua_tostring(L, 3), strerror(code));
  push_folder_files(L, entries, count);
  for (int i = 0; i < count; i++) free(entries[i]);
  free(entries);
  return 1;
}
