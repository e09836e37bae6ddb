/* typo.c: what is left of two words once they begin and end alike is the slip. */
#include "cmd/profiler/typo.h"

#include <ctype.h>
#include <string.h>

#define NAME_LENGTH_MIN 3

static bool is_alike(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

bool typo_is_of(const char *word, size_t length, const char *name)
{
    size_t name_length = strlen(name);
    if (name_length < NAME_LENGTH_MIN)
        return false;
    for (; length > 0 && name_length > 0 && is_alike(*word, *name); length--, name_length--) {
        word++;
        name++;
    }
    while (length > 0 && name_length > 0 && is_alike(word[length - 1], name[name_length - 1])) {
        length--;
        name_length--;
    }
    bool is_swap = length == 2 && name_length == 2 && is_alike(word[0], name[1]) && is_alike(word[1], name[0]);
    return is_swap || (length <= 1 && name_length <= 1);
}
