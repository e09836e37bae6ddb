/* wait_frames.c: looks a name up in the list. */
#include "profiler/wait_frames.h"

#include <string.h>

bool wait_frames_have(const char *function)
{
    const char *name = WAIT_FRAMES;
    for (size_t size; (size = strcspn(name, "|")) > 0; name += size + (name[size] == '|'))
        if (strncmp(name, function, size) == 0 && function[size] == '\0')
            return true;
    return false;
}
