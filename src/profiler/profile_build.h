/* profile_build.h: the stacks of a collection as a profile. */
#ifndef PROFILER_PROFILE_BUILD_H
#define PROFILER_PROFILE_BUILD_H

struct collection;
struct profile;

/* Columns, stacks, labels, times and comments, as profile.proto has them and Go's profiles fill them. Entries that are
 * zero in all columns are left out. Sorts the table. The profile becomes the caller's. Reads symbol tables. [any] */
struct profile *profile_build(const struct collection *collection);

#endif
