/* host.sys: private files. Owner and mode are checked before reading; writing is atomic, and durable once the call
 * returns. */
#include "secret.h"
#include "sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAX_DEPTH 32 /* depth of folders that remove_tree enters; each keeps a descriptor open */

/* Return why the open file is not private enough, or NULL. *kind is the kind of that failure. */
static const char *file_privacy_problem(const struct stat *info, mode_t refused, const char **kind) {
  *kind = "type";
  if (S_ISDIR(info->st_mode)) return "it is a folder";
  if (!S_ISREG(info->st_mode)) return "it is not a regular file";
  *kind = "owner";
  if (info->st_uid != geteuid() && info->st_uid != 0) return "it belongs to another user";
  *kind = "mode";
  if (!(info->st_mode & refused)) return NULL;
  return refused & 044 ? "other users may read it; run chmod 600 on it"
                       : "other users may write to it; run chmod go-w on it";
}

int sys_files_open_private(lua_State *L, const char *path, int flags, mode_t refused) {
  struct stat info;
  int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600); /* opening a pipe must not block */
  if (fd < 0) {
    int code = errno;
    const char *why = code == ELOOP ? "it is a symbolic link" : strerror(code);
    lib_fail_kind(L, code == ENOENT ? "missing" : code == ELOOP ? "link" : "io", "cannot open '%s': %s", path, why);
    return -1;
  }
  const char *kind = "io";
  const char *why = fstat(fd, &info) == 0 ? file_privacy_problem(&info, refused, &kind) : strerror(errno);
  if (!why) return fd;
  close(fd);
  lib_fail_kind(L, kind, "refused '%s': %s", path, why);
  return -1;
}

int sys_files_read_all(int fd, struct buffer *out, size_t limit) {
  char chunk[4096];
  ssize_t count;
  size_t total = 0;
  int code = 0;
  while (!code && (count = read(fd, chunk, sizeof chunk)) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      code = errno;
    else if ((total += (size_t)count) > limit)
      code = EFBIG;
    else if (!buffer_append(out, chunk, (size_t)count))
      code = ENOMEM;
  }
  explicit_bzero(chunk, sizeof chunk);
  return code;
}

int sys_files_write_all(int fd, const char *data, size_t length) {
  while (length > 0) {
    ssize_t count = write(fd, data, length);
    if (count < 0 && errno == EAGAIN)
      poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
    else if (count < 0 && errno != EINTR)
      return errno;
    if (count < 0) continue;
    data += count;
    length -= (size_t)count;
  }
  return 0;
}

/* sys.read(path, limit) -> text | nil, message, kind */
static int sys_read(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_Integer limit = luaL_checkinteger(L, 2);
  luaL_argcheck(L, limit >= 0, 2, "not negative");
  struct buffer *content = buffer_new(L);
  int fd = sys_files_open_private(L, path, O_RDONLY, 022);
  if (fd < 0) return 3;
  int code = sys_files_read_all(fd, content, (size_t)limit);
  close(fd);
  if (code == EFBIG)
    return lib_fail_kind(L, "size", "refused '%s': it is larger than %lld bytes", path, (long long)limit);
  if (code) return lib_fail_kind(L, "io", "cannot read '%s': %s", path, strerror(code));
  lua_pushlstring(L, content->data ? content->data : "", content->length);
  return 1;
}

/* Sync the folder of this path, which makes its names durable. */
static int sync_folder_of(const char *path) {
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  int length = !slash ? 1 : slash == path ? 1 : (int)(slash - path);
  snprintf(folder, sizeof folder, "%.*s", length, slash ? path : ".");
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  int code = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return code;
}

/* Rename the temporary file to path. A new file must not replace one that another process makes at the same moment;
 * link is for file systems without RENAME_NOREPLACE. */
static int rename_temporary_file(const char *temporary, const char *path, int must_be_new) {
  if (!must_be_new) return rename(temporary, path) == 0 ? 0 : errno;
  if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (link(temporary, path) != 0) return errno;
  unlink(temporary);
  return 0;
}

int sys_files_place_new(const char *temporary, const char *path) {
  int code = rename_temporary_file(temporary, path, 1);
  return code ? code : sync_folder_of(path);
}

int sys_files_replace(const char *temporary, const char *path) {
  int code = rename_temporary_file(temporary, path, 0);
  return code ? code : sync_folder_of(path);
}

/* Write the temporary file, sync it and rename it; 0 or an errno value. */
static int write_and_rename_file(int fd, const char *temporary, const char *path, const struct secret *content,
                                 int must_be_new) {
  int code = sys_files_write_all(fd, content->bytes, content->length);
  if (!code && fsync(fd) != 0) code = errno;
  if (close(fd) != 0 && !code) code = errno;
  return code ? code : rename_temporary_file(temporary, path, must_be_new);
}

enum write_mode { WRITE_REPLACE, WRITE_NEW, WRITE_EDIT, WRITE_PUBLIC };

/* Copy owner, group and mode of a file to an open file; 0 or an errno value. */
static int copy_owner_and_mode(int fd, const char *path) {
  struct stat info;
  if (stat(path, &info) != 0 || fchown(fd, info.st_uid, info.st_gid) != 0) return errno;
  return fchmod(fd, info.st_mode & 0777) == 0 ? 0 : errno;
}

/* Write content to path through a temporary file beside it; 0 or an errno value. WRITE_EDIT follows a symbolic link. */
static int write_file_durably(const char *path, const struct secret *content, enum write_mode mode) {
  char real[PATH_MAX], temporary[PATH_MAX];
  if (mode == WRITE_EDIT && !(path = realpath(path, real))) return errno;
  if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary) return ENAMETOOLONG;
  int fd = mkostemp(temporary, O_CLOEXEC);
  if (fd < 0) return errno;
  int code = mode == WRITE_EDIT ? copy_owner_and_mode(fd, path) : 0;
  if (mode == WRITE_PUBLIC && fchmod(fd, 0644) != 0) code = errno;
  if (code)
    close(fd);
  else
    code = write_and_rename_file(fd, temporary, path, content, mode == WRITE_NEW);
  if (code) {
    unlink(temporary);
    return code;
  }
  return sync_folder_of(path);
}

/* sys.write(path, content, how) -> true | nil, message, kind */
static int sys_write(lua_State *L) {
  static const char *const modes[] = {"replace", "new", "edit", "public", NULL};
  const char *path = luaL_checkstring(L, 1);
  const struct secret *secret = secret_test(L, 2);
  enum write_mode mode = (enum write_mode)luaL_checkoption(L, 3, NULL, modes);
  struct secret content = {0};
  if (!secret) content.bytes = (char *)luaL_checklstring(L, 2, &content.length);
  int code = write_file_durably(path, secret ? secret : &content, mode);
  if (code == EEXIST) return lib_fail_kind(L, "exists", "'%s' exists already and is not replaced", path);
  if (code) return lib_fail_kind(L, "io", "cannot write '%s': %s", path, strerror(code));
  lua_pushboolean(L, 1);
  return 1;
}

/* Make one folder; an existing one is fine. */
static int make_single_folder(const char *path) {
  struct stat info;
  if (mkdir(path, 0700) == 0) return sync_folder_of(path);
  if (errno != EEXIST) return errno;
  if (stat(path, &info) != 0) return errno;
  return S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
}

int sys_files_make_folder(const char *path) {
  char part[PATH_MAX];
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof part) return length ? ENAMETOOLONG : ENOENT;
  for (size_t i = 1; i < length; i++) {
    if (path[i] != '/') continue;
    snprintf(part, sizeof part, "%.*s", (int)i, path);
    int code = make_single_folder(part);
    if (code) return code;
  }
  return make_single_folder(path);
}

/* Push true, or nil and a message what could not be done. */
static int push_file_outcome(lua_State *L, int code, const char *verb, const char *path) {
  if (code) return lib_fail(L, "cannot %s '%s': %s", verb, path, strerror(code));
  lua_pushboolean(L, 1);
  return 1;
}

/* sys.mkdir(path, private?) -> true | nil, message */
static int sys_mkdir(lua_State *L) {
  char where[PATH_MAX];
  const char *path = lib_checktext(L, 1);
  const char *why = lua_toboolean(L, 2) ? sys_way_problem(path, where) : NULL;
  if (why) return lib_fail_kind(L, "io", "cannot make the folder '%s': '%s' %s", path, where, why);
  return push_file_outcome(L, sys_files_make_folder(path), "make the folder", path);
}

/* sys.remove(path) -> true | nil, message. A missing file counts as removed. */
static int sys_remove(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int code = remove(path) == 0 || errno == ENOENT ? 0 : errno;
  return push_file_outcome(L, code, "remove", path);
}

static int remove_folder_entries(DIR *folder, int depth);

/* Remove one entry of a folder, recursively when it is a real folder; a link that replaced the folder meanwhile is
 * not followed. */
static int remove_folder_entry(int parent, const char *name, int depth) {
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return errno;
  if (depth == 0) return ELOOP;
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno;
  DIR *folder = fdopendir(fd);
  int code = folder ? remove_folder_entries(folder, depth - 1) : errno;
  if (folder)
    closedir(folder);
  else
    close(fd);
  if (code) return code;
  return unlinkat(parent, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}

static int is_dot_entry(const char *name) {
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int remove_folder_entries(DIR *folder, int depth) {
  int code = 0;
  struct dirent *entry;
  while (!code && (entry = readdir(folder)))
    if (!is_dot_entry(entry->d_name)) code = remove_folder_entry(dirfd(folder), entry->d_name, depth);
  return code;
}

/* sys.remove_tree(path) -> true | nil, message */
static int sys_remove_tree(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  luaL_argcheck(L, *path && strspn(path, "/.") != strlen(path), 1, "a folder's name expected");
  return push_file_outcome(L, remove_folder_entry(AT_FDCWD, path, MAX_DEPTH), "remove", path);
}

static const char temporary_key; /* registry key of the set of temporary folders that were made */

/* Push the set of temporary folders. [-0, +1, m] */
static void push_temporary_folders(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &temporary_key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &temporary_key);
}

void sys_files_remove_temporary(lua_State *L) {
  push_temporary_folders(L);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) remove_folder_entry(AT_FDCWD, lua_tostring(L, -2), MAX_DEPTH);
  lua_pop(L, 1);
}

/* sys.temporary(prefix) -> path | nil, message */
static int sys_temporary(lua_State *L) {
  const char *prefix = luaL_checkstring(L, 1);
  const char *folder = getenv("TMPDIR");
  char path[PATH_MAX];
  luaL_argcheck(L, !strchr(prefix, '/'), 1, "a name without '/' expected");
  push_temporary_folders(L);
  int length = snprintf(path, sizeof path, "%s/%sXXXXXX", folder && *folder == '/' ? folder : "/tmp", prefix);
  if (length >= (int)sizeof path || !mkdtemp(path))
    return lib_fail(L, "cannot make a folder '%s': %s", path, strerror(errno));
  lua_pushstring(L, path);
  lua_pushvalue(L, -1);
  lua_pushboolean(L, 1);
  lua_rawset(L, -4);
  return 1;
}

static const char *file_type_name(mode_t mode) {
  if (S_ISREG(mode)) return "file";
  if (S_ISDIR(mode)) return "directory";
  return S_ISLNK(mode) ? "link" : "other";
}

/* sys.stat(path, follow) -> table | nothing when nothing is there | nil, message when that is unknown. A link is
 * followed only with follow. */
static int sys_stat(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct stat info;
  if ((lua_toboolean(L, 2) ? stat(path, &info) : lstat(path, &info)) != 0)
    return errno == ENOENT || errno == ENOTDIR ? 0 : lib_fail(L, "cannot look at '%s': %s", path, strerror(errno));
  lua_createtable(L, 0, 5);
  lua_pushstring(L, file_type_name(info.st_mode));
  lua_setfield(L, -2, "type");
  lua_pushinteger(L, info.st_mode & 07777);
  lua_setfield(L, -2, "mode");
  lua_pushboolean(L, info.st_uid == geteuid());
  lua_setfield(L, -2, "ours");
  lua_pushinteger(L, info.st_size);
  lua_setfield(L, -2, "size");
  lua_pushnumber(L, (double)info.st_mtim.tv_sec + (double)info.st_mtim.tv_nsec / 1e9);
  lua_setfield(L, -2, "modified");
  return 1;
}

/* sys.resolve(path) -> path | nil, message. The absolute path without links. */
static int sys_resolve(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  char real[PATH_MAX];
  if (!realpath(path, real)) return lib_fail(L, "cannot look at '%s': %s", path, strerror(errno));
  lua_pushstring(L, real);
  return 1;
}

/* sys.list(path) -> names | nil, message */
static int sys_list(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct dirent **entries;
  int count = scandir(path, &entries, NULL, alphasort);
  lua_Integer length = 0;
  if (count < 0) return lib_fail(L, "cannot list '%s': %s", path, strerror(errno));
  lua_newtable(L);
  for (int i = 0; i < count; i++) {
    if (!is_dot_entry(entries[i]->d_name)) {
      lua_pushstring(L, entries[i]->d_name);
      lua_rawseti(L, -2, ++length);
    }
    free(entries[i]);
  }
  free(entries);
  return 1;
}

/* sys.free_space(path) -> bytes | nil */
static int sys_free_space(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct statvfs info;
  if (statvfs(path, &info) != 0) return 0;
  lua_pushnumber(L, (double)info.f_bavail * (double)info.f_frsize);
  return 1;
}

const luaL_Reg sys_file_functions[] = {
    {"read", sys_read},
    {"write", sys_write},
    {"mkdir", sys_mkdir},
    {"remove", sys_remove},
    {"remove_tree", sys_remove_tree},
    {"temporary", sys_temporary},
    {"stat", sys_stat},
    {"resolve", sys_resolve},
    {"list", sys_list},
    {"free_space", sys_free_space},
    {NULL, NULL},
};
