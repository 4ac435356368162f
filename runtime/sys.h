/* What the parts of host.sys share, and what other native modules ask of it. */
#ifndef SYS_H
#define SYS_H

#include "lib.h"
#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#define SYS_CLOCK "host.sys.clock"

/* Interrupts (SIGINT, SIGTERM) caught so far. Whoever asks is not stuck: the time
 * after which a program that does not listen is ended begins anew. */
int sys_interrupts(void);

/* Count the journals that are open and the changes that are in flight, by 1 or -1:
 * while there are any, no signal and no closed pipe ends the process at once. */
void sys_journal_opened(int by);
void sys_change_sent(int by);

/* Can this process end here without leaving anything half done: is no journal open? */
int sys_may_end(void);

/* Replace coroutine.resume and coroutine.wrap by functions that know which coroutine
 * runs, because an interrupt must reach that one. [-0, +0, m] */
void sys_interrupt_coroutines(lua_State *L);

/* Before the state is closed: signals no longer touch it. */
void sys_interrupt_end(void);

/* Seconds since 1970. */
double sys_time(void);

/* An emulator's clock. */
struct clock;

/* The open clock at this index; raises an argument error if it is none. */
struct clock *sys_clock_check(lua_State *L, int index);

/* Its offset to real time in seconds; 0 once it is closed. */
double sys_clock_offset(const struct clock *clock);

/* Open a regular file that is ours or root's and has none of the refused mode
 * bits; or push fail, message and kind and return -1. [-0, +0|+3, m] */
int sys_open_private(lua_State *L, const char *path, int flags, mode_t refused);

/* Append all that is left of the file, at most limit bytes. Returns 0 or an
 * errno value; EFBIG when there is more. */
int sys_read_all(int fd, struct buffer *out, size_t limit);

/* Write all bytes; 0 or an errno value. Goes on after interruptions, and waits
 * where the descriptor does not block. */
int sys_write_all(int fd, const char *data, size_t length);

/* Give a durable file its name, which nobody may have (new) or which is replaced,
 * and make the name durable; 0 or an errno value. */
int sys_place_new(const char *temporary, const char *path);
int sys_replace(const char *temporary, const char *path);

/* May another user lead the way to this folder elsewhere, by a link of theirs or a folder above it that they own
 * or may write to? NULL, or why, as what follows a quoted path, and that path in where. The folder itself is not
 * judged, and what is not there yet is no danger. */
const char *sys_refuse_way(const char *path, char where[PATH_MAX]);

/* Make a folder and those above it, 0700; 0 or an errno value. */
int sys_make_folder(const char *path);

/* Is this the number of one user, and not the kernel's for all whom our namespace does not know? */
int sys_is_told(uid_t user);

/* Map the counter that is all of this file and close the file; 0 or an errno value. With create, an empty
 * file becomes a counter of 0. EINVAL: the file is no counter. */
int sys_counter_map(int fd, int create, _Atomic int64_t **counter);
void sys_counter_unmap(_Atomic int64_t *counter);

/* Open a file, made when it is missing, and lock length bytes of it (0: all) for this descriptor; 0 or an errno
 * value. *fd is -1 when it could not be opened. *is_held: another process, or another descriptor of ours, has
 * the lock; only the lock itself can say so, because an open that is not permitted fails with the same numbers. */
int sys_lock_bytes(const char *path, off_t start, off_t length, int *fd, int *is_held);

/* Functions of host.sys that stand in other files. */
extern const luaL_Reg sys_bounded_functions[];
extern const luaL_Reg sys_file_functions[];
extern const luaL_Reg sys_interrupt_functions[];
extern const luaL_Reg sys_secret_functions[];
extern const luaL_Reg sys_user_functions[];
int sys_clock(lua_State *L);
void sys_clock_type(lua_State *L);
int sys_lock(lua_State *L);
void sys_lock_type(lua_State *L);

/* Note a variable of the environment that names a proxy and is ignored. The name has to live as long as the program. */
void sys_note_ignored_proxy(const char *variable);

/* Return the name of that variable, or NULL. */
const char *sys_ignored_proxy(void);

#endif
