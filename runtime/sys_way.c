/* The path to a private folder: can another user make it lead to another folder?
 *
 * Whoever may write to a folder above ours can replace ours by another folder or a link: we would store secrets
 * there, or trust its content. So each step of the path is checked, links included, as OpenSSH does for StrictModes.
 */
#include "sys.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINKS = 40 }; /* the kernel's limit */

/* The state of the walk along the path. */
struct path_walk {
  char done[PATH_MAX]; /* the part that was checked; no links in it */
  char rest[PATH_MAX]; /* the part that is not checked yet */
  uid_t root;          /* owner of "/": root, or the id that a user namespace shows for root */
  int links;
};

static int is_trusted_owner(const struct path_walk *walk, uid_t user) {
  return user == 0 || user == geteuid() || user == walk->root;
}

/* Is it a group with this user only, as Debian makes for each user? */
static int is_user_private_group(gid_t group, uid_t user) {
  const struct passwd *person = getpwuid(user);
  const struct group *entry = person && person->pw_gid == group ? getgrgid(group) : NULL;
  if (!entry) return 0;
  for (char **member = entry->gr_mem; *member; member++)
    if (strcmp(*member, person->pw_name) != 0) return 0;
  return 1;
}

/* May other users replace entries of this folder? With the sticky bit they may not. */
static int is_writable_by_others(const struct stat *info) {
  if (info->st_mode & S_ISVTX) return 0;
  if (info->st_mode & S_IWOTH) return 1;
  return (info->st_mode & S_IWGRP) && info->st_gid != 0 && !is_user_private_group(info->st_gid, info->st_uid);
}

/* Return why the folder is not safe on the path, or NULL; the text follows a quoted path. */
static const char *path_folder_problem(const struct path_walk *walk, const struct stat *info) {
  if (!is_trusted_owner(walk, info->st_uid)) return "belongs to another user, who can replace it";
  if (is_writable_by_others(info))
    return "may be written by other users, who can replace folders in it; run chmod go-w on it";
  return NULL;
}

/* Put the link's target before the rest of the path. Returns NULL, or why not. */
static const char *follow_path_link(struct path_walk *walk, const char *link) {
  char target[PATH_MAX], rest[PATH_MAX];
  ssize_t length = readlink(link, target, sizeof target - 1);
  if (length < 0) return strerror(errno);
  if (++walk->links > MAX_LINKS) return strerror(ELOOP);
  target[length] = '\0';
  if (snprintf(rest, sizeof rest, "%s/%s", target, walk->rest) >= (int)sizeof rest) return strerror(ENAMETOOLONG);
  memcpy(walk->rest, rest, sizeof rest);
  if (*target == '/') walk->done[0] = '\0';
  return NULL;
}

/* Cut the next step from the rest of the path; 0 when there is none. */
static int cut_path_step(struct path_walk *walk, char step[NAME_MAX + 1]) {
  const char *begin = walk->rest + strspn(walk->rest, "/");
  size_t length = strcspn(begin, "/");
  snprintf(step, NAME_MAX + 1, "%.*s", (int)length, begin);
  memmove(walk->rest, begin + length, strlen(begin + length) + 1);
  return length > 0;
}

/* Check one step. 1: continue; 0: nothing exists there yet; -1: refused, with where and why. */
static int check_path_step(struct path_walk *walk, const char *step, char where[PATH_MAX], const char **why) {
  struct stat info;
  if (strcmp(step, ".") == 0) return 1;
  if (strcmp(step, "..") == 0) {
    char *last = strrchr(walk->done, '/');
    if (last) *last = '\0';
    return 1;
  }
  if (snprintf(where, PATH_MAX, "%s/%s", walk->done, step) >= PATH_MAX) *why = strerror(ENAMETOOLONG);
  if (*why || lstat(where, &info) != 0) return *why ? -1 : 0;
  if (S_ISLNK(info.st_mode))
    *why = is_trusted_owner(walk, info.st_uid) ? follow_path_link(walk, where)
                                               : "is a link of another user, who can change it";
  else
    memcpy(walk->done, where, PATH_MAX);
  if (S_ISDIR(info.st_mode) && walk->rest[strspn(walk->rest, "/")]) *why = path_folder_problem(walk, &info);
  return *why ? -1 : 1;
}

const char *sys_way_problem(const char *path, char where[PATH_MAX]) {
  struct path_walk walk = {0};
  struct stat info;
  char step[NAME_MAX + 1], here[PATH_MAX] = "";
  const char *why = NULL;
  snprintf(where, PATH_MAX, "/");
  if (stat("/", &info) != 0 || (*path != '/' && !getcwd(here, sizeof here))) return strerror(errno);
  walk.root = info.st_uid;
  if (snprintf(walk.rest, sizeof walk.rest, "%s/%s", here, path) >= (int)sizeof walk.rest)
    return strerror(ENAMETOOLONG);
  while (cut_path_step(&walk, step) && check_path_step(&walk, step, where, &why) > 0) continue;
  return why;
}
