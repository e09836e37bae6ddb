/* simplify.h: function names as `go tool pprof` shows them. [any] */
#ifndef PPROF_SIMPLIFY_H
#define PPROF_SIMPLIFY_H

#include "pprof/profile.h"

/* What pprof does to each profile that it has read, and merged: a function without a name gets its system name; one
 * whose system name says no more, and looks like C++, loses its parameters and template arguments:
 * "std::vector<int>::push_back(int&&)" becomes "std::vector::push_back". Names that are still mangled ("_ZN...") stay
 * as they are: that takes a demangler. Two functions may have the same name afterwards. */
void profile_simplify_names(struct profile *profile);

#endif
