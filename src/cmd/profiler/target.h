/* target.h: the debug ports that takhin-profiler asks. */
#ifndef CMD_PROFILER_TARGET_H
#define CMD_PROFILER_TARGET_H

#include "base/buf.h"
#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>

struct target {
    char *name;      /* for people, and the label broker=: "localhost:6060", "unix:/run/takhin.sock"; no password */
    char *file_part; /* the same as part of a file's name: "localhost_6060"; no two of a list are equal */
    char *url;       /* "https://host:6060/prefix": requests' paths are put behind; no password, no slash at its end */
    char *user, *password; /* NULL: none; decoded. Without a password the user is in url, too */
    char *unix_path; /* the socket that the connection goes to; NULL: TCP */
};

struct target_list {
    struct target *targets;
    size_t count;
    struct buf warnings; /* of the configuration, one a line */
    const char *off_in;  /* the configuration that gave the address and leaves the profiler off; NULL: none */
};

/* From -remote, a list with commas between, else (remote NULL) from the configuration's file (NULL: none), environment
 * and defaults:
 *   host, host:port, [v6], [v6]:port          port 6060 unless named
 *   http(s)://user:password@host:port/prefix  port 6060, of https 443, unless named; "/debug/pprof/" at the end may be
 *                                             there, as copied from a browser
 *   unix:PATH                                 a socket, as ssh -L and reverse proxies have
 * 0, or ERR_CONFIG with *message saying what is wrong, one problem a line (no password in it), and what is right.
 * Deinit the list in either case. */
int target_list_init(struct target_list *list, const char *remote, const char *config_file,
                     struct buf *message) MUST_USE;
void target_list_deinit(struct target_list *list);

/* Whether its connections are TLS's. */
bool target_is_tls(const struct target *target);

#endif
