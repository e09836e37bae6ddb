/* utf8.h: what is UTF-8 and what is not (RFC 3629, section 4). [any] */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/bytes.h"

/* Bytes of the character that the text begins with; 0 if none does: what is no UTF-8, cut off, or nothing at all. */
size_t utf8_character_size(struct bytes text);

#endif
