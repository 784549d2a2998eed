/* What a program may ask of the forebay session it runs in.
 *
 * None of it is needed to read staged data: the interposer does that for programs as they are. Link libforebay_client
 * (static; it needs libc alone). Every function may be called from any thread and in a forked child, keeps no descriptor open
 * and leaves errno alone; results below zero are negated errno values.
 */
#ifndef FOREBAY_FOREBAY_H
#define FOREBAY_FOREBAY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Attaches this process to the session in directory `session`, or, if that is NULL, to the one that the environment variable
 * FOREBAY_SESSION names. Other functions do the latter by themselves. Attaching again is harmless, and a process never changes
 * its session. 0, or -ENOENT: there is no such session, it is not this user's, or it is not serving yet. */
int forebay_attach(const char* session);

enum forebay_place {
  FOREBAY_OUTSIDE = 0,   /* below no mount, or there is no session */
  FOREBAY_LOCAL = 1,     /* whole in this node's buffer; directories and symlinks, which the catalog answers, too */
  FOREBAY_REMOTE = 2,    /* in the catalog and not here: the first open brings it from a peer or stages it */
  FOREBAY_AT_ORIGIN = 3  /* read from the origin: not in the catalog, written to since, or it fits nowhere */
};

/* Where the bytes of `path` come from if it is opened now: an enum forebay_place. Follows symlinks; relative paths start at
 * the working directory. Costs about as much as stat, and asks no server. -ENOENT, -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG
 * as stat. */
int forebay_where(const char* path);

/* Brings the object at `path` into this node's buffer. Blocks until it is there, or for 2 s without a sign of life from the
 * server. 0 also when it is there already. -EAGAIN: no server helped; opening it reads from the origin. -EINVAL: not an object
 * of the catalog, or one that is read from the origin. Otherwise as forebay_where. */
int forebay_fetch(const char* path);

/* This node's opens through forebay since the session began, by all processes, as its report counts them. */
struct forebay_counters {
  uint64_t opens_local;  /* found in the buffer */
  uint64_t opens_peer;   /* brought from a peer */
  uint64_t opens_origin; /* staged from the origin for the open, or opened there */
  uint64_t bypassed;     /* of these, went to the origin because it was written to, or fits nowhere */
  uint64_t failures;     /* of these, went to the origin because no server helped */
};

/* 0, or -ENOENT: there is no session. */
int forebay_get_counters(struct forebay_counters* into);

#ifdef __cplusplus
}
#endif

#endif
