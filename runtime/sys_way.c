/* The way to a private folder: may another user lead it elsewhere?
 *
 * Whoever may write to a folder above ours can put another folder, or a link, in
 * its place, and we would keep secrets there, or believe what lies there. So each
 * step of the way is looked at as it is, links included, as OpenSSH does with
 * StrictModes.
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

enum { MOST_LINKS = 40 }; /* as the kernel follows */

/* Where we are on the way. */
struct way {
  char done[PATH_MAX]; /* the steps taken: no links in it */
  char rest[PATH_MAX]; /* the steps to take */
  uid_t root;          /* who owns "/": root, or the number that a user namespace shows for it */
  int links;
};

static int is_trusted(const struct way *way, uid_t user) {
  return user == 0 || user == geteuid() || user == way->root;
}

/* Is it the group that a user has alone, as Debian makes for each? */
static int is_private_group(gid_t group, uid_t user) {
  const struct passwd *person = getpwuid(user);
  const struct group *entry = person && person->pw_gid == group ? getgrgid(group) : NULL;
  if (!entry) return 0;
  for (char **member = entry->gr_mem; *member; member++)
    if (strcmp(*member, person->pw_name) != 0) return 0;
  return 1;
}

/* May others put something else in place of what lies in this folder? With the sticky bit they may not. */
static int is_open(const struct stat *info) {
  if (info->st_mode & S_ISVTX) return 0;
  if (info->st_mode & S_IWOTH) return 1;
  return (info->st_mode & S_IWGRP) && info->st_gid != 0 && !is_private_group(info->st_gid, info->st_uid);
}

static const char *refuse_folder(const struct way *way, const struct stat *info) {
  if (!is_trusted(way, info->st_uid)) return "belongs to another user, who can put another folder in its place";
  if (is_open(info)) return "may be written by others, who can put another folder in its place; run: chmod go-w on it";
  return NULL;
}

/* Put the link's target before the rest of the way. NULL, or why not. */
static const char *follow(struct way *way, const char *link) {
  char target[PATH_MAX], rest[PATH_MAX];
  ssize_t length = readlink(link, target, sizeof target - 1);
  if (length < 0) return strerror(errno);
  if (++way->links > MOST_LINKS) return strerror(ELOOP);
  target[length] = '\0';
  if (snprintf(rest, sizeof rest, "%s/%s", target, way->rest) >= (int)sizeof rest) return strerror(ENAMETOOLONG);
  memcpy(way->rest, rest, sizeof rest);
  if (*target == '/') way->done[0] = '\0';
  return NULL;
}

/* Cut the next step off the rest; 0 when there is none. */
static int next_step(struct way *way, char step[NAME_MAX + 1]) {
  const char *begin = way->rest + strspn(way->rest, "/");
  size_t length = strcspn(begin, "/");
  snprintf(step, NAME_MAX + 1, "%.*s", (int)length, begin);
  memmove(way->rest, begin + length, strlen(begin + length) + 1);
  return length > 0;
}

/* Take one step. 1: go on; 0: the way ends, or nothing is there yet; -1: refused, with where and why. */
static int take(struct way *way, const char *step, char where[PATH_MAX], const char **why) {
  struct stat info;
  if (strcmp(step, ".") == 0) return 1;
  if (strcmp(step, "..") == 0) {
    char *last = strrchr(way->done, '/');
    if (last) *last = '\0';
    return 1;
  }
  if (snprintf(where, PATH_MAX, "%s/%s", way->done, step) >= PATH_MAX) *why = strerror(ENAMETOOLONG);
  if (*why || lstat(where, &info) != 0) return *why ? -1 : 0;
  if (S_ISLNK(info.st_mode))
    *why = is_trusted(way, info.st_uid) ? follow(way, where) : "is a link of another user, who can lead it elsewhere";
  else
    memcpy(way->done, where, PATH_MAX);
  if (S_ISDIR(info.st_mode) && way->rest[strspn(way->rest, "/")]) *why = refuse_folder(way, &info);
  return *why ? -1 : 1;
}

const char *sys_refuse_way(const char *path, char where[PATH_MAX]) {
  struct way way = {0};
  struct stat info;
  char step[NAME_MAX + 1], here[PATH_MAX] = "";
  const char *why = NULL;
  snprintf(where, PATH_MAX, "/");
  if (stat("/", &info) != 0 || (*path != '/' && !getcwd(here, sizeof here))) return strerror(errno);
  way.root = info.st_uid;
  if (snprintf(way.rest, sizeof way.rest, "%s/%s", here, path) >= (int)sizeof way.rest) return strerror(ENAMETOOLONG);
  while (next_step(&way, step) && take(&way, step, where, &why) > 0) continue;
  return why;
}
