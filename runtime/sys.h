/* Declarations that the files of host.sys share, and the functions that other native modules use. */
#ifndef SYS_H
#define SYS_H

#include "lib.h"
#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#define SYS_CLOCK "host.sys.clock"

/* Return the number of interrupts (SIGINT, SIGTERM) so far. The call also shows that the program is not stuck: the
 * time after which it is ended starts again. */
int sys_interrupt_count(void);

/* Count open journals and changes in flight, by 1 or -1. While there are any, no signal and no closed pipe ends the
 * process at once. */
void sys_interrupt_count_journal(int by);
void sys_interrupt_count_change(int by);

/* May this process end here without a half-finished change: is no journal open? */
int sys_interrupt_may_end(void);

/* Replace coroutine.resume and coroutine.wrap by functions that track the running coroutine, because an interrupt has
 * to reach it. [-0, +0, m] */
void sys_interrupt_coroutines(lua_State *L);

/* Stop signal handlers from touching the Lua state, before it is closed. */
void sys_interrupt_end(void);

/* Return the seconds since 1970. */
double sys_time(void);

/* An emulator's clock. */
struct clock;

/* Return the open clock at index; raise an argument error when it is closed or no clock. */
struct clock *sys_clock_check(lua_State *L, int index);

/* Return the clock's offset to real time in seconds; 0 once it is closed. */
double sys_clock_offset(const struct clock *clock);

/* Open a regular file that belongs to us or root and has none of the refused mode bits; or push nil, message and kind
 * and return -1. [-0, +0|+3, m] */
int sys_files_open_private(lua_State *L, const char *path, int flags, mode_t refused);

/* Append the rest of the file to out, at most limit bytes. Returns 0 or an errno value; EFBIG when there is more. */
int sys_files_read_all(int fd, struct buffer *out, size_t limit);

/* Write all bytes; 0 or an errno value. Continues after interruptions, and waits when the descriptor is
 * non-blocking. */
int sys_files_write_all(int fd, const char *data, size_t length);

/* Remove the folders that sys.temporary made, before the program ends by a signal. [-0, +0, m] */
void sys_files_remove_temporary(lua_State *L);

/* Rename a synced temporary file to path, which must not exist (place_new) or is replaced (replace), and sync the
 * folder; 0 or an errno value. */
int sys_files_place_new(const char *temporary, const char *path);
int sys_files_replace(const char *temporary, const char *path);

/* Return why another user could make this path lead to another folder, by a link or by a folder above it that the
 * user owns or may write to; NULL when nobody can. The reason follows a quoted path, which is in where. The folder
 * itself is not judged, and folders that do not exist yet are safe. */
const char *sys_way_problem(const char *path, char where[PATH_MAX]);

/* Make a folder and its parents with mode 0700; 0 or an errno value. */
int sys_files_make_folder(const char *path);

/* Is this the id of one user, and not the kernel's id for all users that this namespace does not know? */
int sys_user_is_mapped(uid_t user);

/* Map a file that consists of one counter, and close the file; 0 or an errno value. With create, an empty file
 * becomes a counter of 0. EINVAL: the file is not a counter. */
int sys_counter_map(int fd, int create, _Atomic int64_t **counter);
void sys_counter_unmap(_Atomic int64_t *counter);

/* Open a file, which is made when it is missing, and lock length bytes of it (0: all) for this descriptor; 0 or
 * an errno value. *fd is -1 when the file could not be opened. *is_held: another process, or another descriptor
 * of ours, has the lock. Only the lock itself tells this, because an open without permission fails with the same
 * errno values. */
int sys_lock_open(const char *path, off_t start, off_t length, int *fd, int *is_held);

/* Functions of host.sys in the other files. */
extern const luaL_Reg sys_bounded_functions[];
extern const luaL_Reg sys_clock_functions[];
extern const luaL_Reg sys_file_functions[];
extern const luaL_Reg sys_interrupt_functions[];
extern const luaL_Reg sys_secret_functions[];
extern const luaL_Reg sys_user_functions[];
void sys_clock_type(lua_State *L);
int sys_lock(lua_State *L);
void sys_lock_type(lua_State *L);

/* Note a variable of the environment that names a proxy and is ignored. The name has to live as long as the program. */
void sys_note_ignored_proxy(const char *variable);

/* Return the name of that variable, or NULL. */
const char *sys_ignored_proxy(void);

#endif
